create function pg_catalog.aurora_db_instance_identifier() returns text language sql stable set search_path = pg_catalog as $$
  select current_setting('cluster_name')
$$;

create function pg_catalog.aurora_version() returns text language sql stable set search_path = pg_catalog as $$
  select split_part(current_setting('server_version'), ' ', 1) || '.0'
$$;

create function pg_catalog.aurora_replica_status(
  out server_id text, out session_id text, out durable_lsn bigint, out highest_lsn_rcvd bigint, out current_read_lsn bigint,
  out is_current boolean, out last_update_timestamp timestamptz, out replica_lag_in_msec float8, out cpu float8)
returns setof record language sql volatile set search_path = pg_catalog as $$
  with position as (
    select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end - '0/0')::bigint as lsn)
  select id, case when writer then 'MASTER_SESSION_ID' else md5(id)::uuid::text end,
         lsn, case when not writer then lsn end, case when not writer then lsn end,
         true, seen, case when writer then null else 14 end::float8, 3.5::float8
  from awsdb_topology(), position
$$;

-- It exists here too, but only a Multi-AZ DB cluster has a source instance to name.
create function rds_tools.multi_az_db_cluster_source_dbi_resource_id() returns text language sql stable set search_path = pg_catalog as $$
  select null::text
$$;
