/** The nonce that the content security policy of this page asks of style sheets made at run time (editor, dialogs). */
import { setNonce } from 'get-nonce'

export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''

/** Dialogs lock the page's scrolling with a style sheet of their own; it must carry the nonce too. */
export function adoptNonce(): void {
  setNonce(nonce)
}
