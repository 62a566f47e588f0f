create policy "books are public" on books for select to anon, authenticated using (not sold);
create policy "authors are public" on authors for select to anon, authenticated using (true);
