import './styles.css'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api'
import { App } from './app'
import { adoptNonce } from './nonce'
import { Toasts } from './ui/toast'

adoptNonce()

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal does not become an answer by asking again; a broken connection may.
      retry: (count, problem) => !(problem instanceof ApiError && problem.status > 0 && problem.status < 500) && count < 2,
      refetchOnWindowFocus: true,
    },
  },
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
      <Toasts />
    </QueryClientProvider>
  </StrictMode>,
)
