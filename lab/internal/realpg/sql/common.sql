set allow_system_table_mods = on;

-- pg_settings leaves out every setting the server does not know by itself, but RDS lists rds.extensions there.
create or replace view pg_catalog.pg_settings as
select * from pg_catalog.pg_show_all_settings() as a
union all
select 'rds.extensions', current_setting('rds.extensions'), null, 'Customized Options', 'Extensions that may be created.', null,
       'postmaster', 'string', 'configuration file', null, null, null, null, current_setting('rds.extensions'), null, null, false
where current_setting('rds.extensions', true) is not null;

-- The control plane replaces topology.csv, beside the data directories, in one rename: all servers see a change at once, as
-- Aurora's instances do, and without replication lag. An instance that is down keeps the time it was last seen.
create function pg_catalog.awsdb_topology(out id text, out writer boolean, out endpoint text, out port int, out seen timestamptz)
returns setof record language sql volatile security definer set search_path = pg_catalog as $$
  select split_part(line, ',', 1), split_part(line, ',', 2) = 'writer', split_part(line, ',', 3), split_part(line, ',', 4)::int,
         coalesce(to_timestamp(nullif(split_part(line, ',', 5), '')::float8), clock_timestamp())
  from regexp_split_to_table(rtrim(pg_read_file('../topology.csv'), E'\n'), E'\n') as line
$$;

-- A stable id in the form RDS gives its instances: db- and 26 letters or digits.
create function pg_catalog.awsdb_resource_id(instance text) returns text language sql immutable set search_path = pg_catalog as $$
  select 'db-' || upper(left(md5(instance), 26))
$$;

create schema rds_tools;
grant usage on schema rds_tools to public;

create function rds_tools.dbi_resource_id() returns text language sql stable set search_path = pg_catalog as $$
  select awsdb_resource_id(current_setting('cluster_name'))
$$;

create function rds_tools.show_topology(client text default '', out id text, out endpoint text, out port int)
returns setof record language sql volatile set search_path = pg_catalog as $$
  select awsdb_resource_id(t.id), t.endpoint, t.port from awsdb_topology() as t
$$;
