create function rds_tools.multi_az_db_cluster_source_dbi_resource_id() returns text language sql volatile set search_path = pg_catalog as $$
  select awsdb_resource_id(id) from awsdb_topology() where writer
$$;
