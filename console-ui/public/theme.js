// Runs before the first paint, so that a dark console never flashes white.
;(function () {
  var stored = null
  try {
    stored = localStorage.getItem('baaskit-console-theme')
  } catch (_) {
    /* storage may be blocked: follow the system */
  }
  var dark = stored ? stored === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
