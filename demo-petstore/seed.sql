-- Three sellers (password of each: petstore-demo) and 10 000 pets. Runs once, when the database is made.

insert into auth.users (id, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data) values
  ('5e11e400-0000-4000-8000-000000000001', 'paws@petstore.test', '$argon2id$v=19$m=65536,t=3,p=4$IqQ05rx3TglhzLlXSgmhFA$CAzk3a3lT+idR9XZdlv8Vg287AyUhYIs8c/9Ag1b9yI', now(), '{"provider":"email","providers":["email"]}', '{}'),
  ('5e11e400-0000-4000-8000-000000000002', 'feathers@petstore.test', '$argon2id$v=19$m=65536,t=3,p=4$IqQ05rx3TglhzLlXSgmhFA$CAzk3a3lT+idR9XZdlv8Vg287AyUhYIs8c/9Ag1b9yI', now(), '{"provider":"email","providers":["email"]}', '{}'),
  ('5e11e400-0000-4000-8000-000000000003', 'scales@petstore.test', '$argon2id$v=19$m=65536,t=3,p=4$IqQ05rx3TglhzLlXSgmhFA$CAzk3a3lT+idR9XZdlv8Vg287AyUhYIs8c/9Ag1b9yI', now(), '{"provider":"email","providers":["email"]}', '{}');

insert into auth.identities (user_id, provider, provider_id, identity_data, email)
select id, 'email', id, '{}', email from auth.users where email like '%@petstore.test';

insert into profiles (id, shop_name) values
  ('5e11e400-0000-4000-8000-000000000001', 'Paws & Whiskers'),
  ('5e11e400-0000-4000-8000-000000000002', 'Feathers'),
  ('5e11e400-0000-4000-8000-000000000003', 'Scales & Fins');

with recursive n (i) as (select 0 union all select i + 1 from n where i < 9999)
insert into pets (seller_id, name, species, breed, age_months, price, stock, description, photo, tags, created_at)
select
  (case i % 6 when 0 then '5e11e400-0000-4000-8000-000000000001' when 1 then '5e11e400-0000-4000-8000-000000000001'
    when 4 then '5e11e400-0000-4000-8000-000000000001' when 2 then '5e11e400-0000-4000-8000-000000000002'
    else '5e11e400-0000-4000-8000-000000000003' end)::uuid,
  (array['Milo','Luna','Biscuit','Pepper','Olive','Ziggy','Maple','Otis','Clover','Juniper','Mochi','Waffles','Hazel','Pip','Nori','Bramble','Sunny','Cocoa','Pixel','Tofu'])[(i * 7 + i / 6) % 20 + 1]
    || case when i < 120 then '' else ' ' || (array['the Brave','of the Garden','Junior','the Quiet','Skywalker','the Third','from the Hill','Bean'])[(i / 20) % 8 + 1] end,
  (array['dog','cat','bird','fish','rabbit','reptile'])[i % 6 + 1]::species,
  case i % 6
    when 0 then (array['Beagle','Corgi','Poodle','Terrier','Collie','Dachshund'])[(i / 6) % 6 + 1]
    when 1 then (array['Siamese','Maine Coon','Tabby','Persian','Bengal','Ragdoll'])[(i / 6) % 6 + 1]
    when 2 then (array['Budgie','Canary','Cockatiel','Finch','Lovebird','Parrot'])[(i / 6) % 6 + 1]
    when 3 then (array['Betta','Goldfish','Guppy','Angelfish','Koi','Tetra'])[(i / 6) % 6 + 1]
    when 4 then (array['Lop','Dutch','Angora','Rex','Lionhead','Hotot'])[(i / 6) % 6 + 1]
    else (array['Gecko','Tortoise','Chameleon','Iguana','Skink','Corn snake'])[(i / 6) % 6 + 1]
  end,
  2 + (i * 13) % 118,
  9 + (i * 37) % 890 + 0.5 * (i % 2),
  case when i % 23 = 22 then 0 else 1 + (i * 11) % 9 end,
  (array['Curious and gentle; loves a sunny window.','Full of energy and quick to learn.','Calm, friendly and good with children.','A little shy at first, loyal for ever.','Always hungry, always cheerful.'])[i % 5 + 1],
  'art/' || (array['dog','cat','bird','fish','rabbit','reptile'])[i % 6 + 1] || '-' || ((i / 6) % 6 + 1) || '.svg',
  (case i % 3 when 0 then '{"calm","family"}' when 1 then '{"playful"}' else '{"rare"}' end)::text[],
  now() - interval '1 minute' * i
from n;
