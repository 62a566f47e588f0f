-- Who may do what. A table without a policy is closed.
-- `using` decides which rows are seen and touched, `with check` what may be stored.
create policy "people manage their own todos" on todos
  for all to authenticated
  using (owner_id = auth.uid())
  with check (owner_id = auth.uid());
