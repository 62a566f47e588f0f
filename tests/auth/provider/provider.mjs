// OpenID providers for the tests, one per port: they sign in whoever `login_hint` names, without asking, and sign with the key that the tests have.
// Environment: PORTS (comma-separated), JWKS (private keys). `login_hint` is the subject: an address; `mallory!ada@…`: mallory, whose profile says ada@…;
// `unverified+…`: the provider did not verify that address, until `GET /vouch/SUBJECT`; `deny`: the person declines.
import { createServer } from 'node:http'
import Provider, { errors } from 'oidc-provider'

const vouched = new Set()
const account = (id) => {
  const email = id.replace(/^unverified\+/, '').replace(/^[^@!]*!/, '')
  const profile = { name: `Name of ${email}`, picture: `https://pictures.example.com/${email}.png` }
  return { accountId: id, claims: () => ({ sub: id, ...profile, email, email_verified: !id.startsWith('unverified+') || vouched.has(id) }) }
}

for (const port of process.env.PORTS.split(',')) {
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, {
    jwks: JSON.parse(process.env.JWKS),
    clients: [{ client_id: 'shop', client_secret: 'shop-secret', redirect_uris: ['http://127.0.0.1/auth/v1/callback'] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture'] },
    cookies: { keys: ['tests'] },
    findAccount: (_, id) => account(id),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId })
      grant.addOIDCScope('openid email profile')
      await grant.save()
      return grant
    },
    renderError(ctx, out) {
      ctx.type = 'json'
      ctx.body = out
    },
  })
  // Servers under test listen where there is room.
  provider.Client.prototype.redirectUriAllowed = (uri) => /^http:\/\/127\.0\.0\.1(:\d+)?\/auth\/v1\/callback$/.test(uri)
  const callback = provider.callback()
  createServer(async (request, response) => {
    if (request.url.startsWith('/vouch/')) {
      vouched.add(decodeURIComponent(request.url.slice('/vouch/'.length)))
      return response.end()
    }
    if (!request.url.startsWith('/interaction/')) return callback(request, response)
    try {
      const { params } = await provider.interactionDetails(request, response)
      const answer = params.login_hint === 'deny'
        ? { error: 'access_denied', error_description: 'The person said no' }
        : { login: { accountId: params.login_hint } }
      await provider.interactionFinished(request, response, answer)
    } catch (problem) {
      response.writeHead(500).end(String(problem))
    }
  }).listen(Number(port), '127.0.0.1', () => console.log(`ready ${port}`))
}
