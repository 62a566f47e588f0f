/** What the rooms read, and how long it stays fresh. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { admin } from './api'
import type { AuditEntry, LivePolicies, Overview, PolicyVersion, Schema } from './types'

export const useSchema = () => useQuery({ queryKey: ['schema'], queryFn: () => admin<Schema>('GET', '/schema'), staleTime: 15_000 })

export const useOverview = () =>
  useQuery({ queryKey: ['overview'], queryFn: () => admin<Overview>('GET', '/overview'), refetchInterval: 5_000, staleTime: 2_000 })

export const usePolicies = () => useQuery({ queryKey: ['policies'], queryFn: () => admin<LivePolicies>('GET', '/policies'), staleTime: 0 })

export const useHistory = (enabled: boolean) =>
  useQuery({
    queryKey: ['policies', 'history'],
    queryFn: async () => (await admin<{ versions: PolicyVersion[] }>('GET', '/policies/history')).versions,
    enabled,
  })

export const usePolicyVersion = (version: number | null) =>
  useQuery({
    queryKey: ['policies', 'history', version],
    queryFn: () => admin<PolicyVersion & { text: string }>('GET', `/policies/history/${version}`),
    enabled: version !== null,
    staleTime: Infinity,
  })

export const useAudit = (limit: number) =>
  useQuery({ queryKey: ['audit', limit], queryFn: async () => (await admin<{ entries: AuditEntry[] }>('GET', `/audit?limit=${limit}`)).entries })

/** After policies were saved: everything that shows them is read again. */
export function usePoliciesChanged(): () => Promise<void> {
  const queries = useQueryClient()
  return async () => {
    await Promise.all(['policies', 'schema', 'overview', 'audit'].map((key) => queries.invalidateQueries({ queryKey: [key] })))
  }
}
