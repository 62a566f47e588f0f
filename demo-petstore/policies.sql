-- Who may see and change what: one text for the data API, live queries, files and functions alike.

create policy "anyone sees pets for sale, sellers see all of theirs" on pets for select
  to anon, authenticated using (status = 'available' or seller_id = auth.uid());
create policy "sellers offer pets of their own" on pets for insert
  to authenticated with check (seller_id = auth.uid());
create policy "sellers change their pets and cannot give them away" on pets for update
  to authenticated using (seller_id = auth.uid()) with check (seller_id = old.seller_id and id = old.id);
create policy "sellers withdraw their pets" on pets for delete
  to authenticated using (seller_id = auth.uid());

create policy "shop names are public" on profiles for select to anon, authenticated using (true);
create policy "everyone names their own shop" on profiles for insert to authenticated with check (id = auth.uid());
create policy "everyone renames their own shop" on profiles for update to authenticated using (id = auth.uid());

-- Orders are written by the function `purchase` alone: no insert policy, so nobody else can.
create policy "buyers see their orders" on orders for select to authenticated using (buyer_id = auth.uid());
create policy "buyers see what they ordered" on order_items for select to authenticated
  using (exists (select 1 from orders o where o.id = order_items.order_id and o.buyer_id = auth.uid()));

-- Photos: anyone may look (the bucket is public); everyone writes into a folder of their own.
create policy "sellers see their photos and the thumbnails made of them" on storage.objects for select to authenticated
  using (bucket_id = 'photos' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "sellers upload into their folder" on storage.objects for insert to authenticated
  with check (bucket_id = 'photos' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "sellers replace their photos" on storage.objects for update to authenticated
  using (bucket_id = 'photos' and owner_id = auth.uid()::text)
  with check (bucket_id = 'photos' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "sellers remove their photos and the thumbnails made of them" on storage.objects for delete to authenticated
  using (bucket_id = 'photos' and (storage.foldername(name))[1] = auth.uid()::text);
