flush privileges;

create database awsdb;

-- The control plane replaces topology.json, beside the data directories, in one rename: all servers see a change at once, as
-- Aurora's instances do, without replication lag and in statements prepared before. Only a stored function can
-- read a file with its definer's privileges.
create definer = 'rdsadmin'@'127.0.0.1' function awsdb.topology() returns longtext character set utf8mb4
  not deterministic reads sql data sql security definer
  return load_file('../topology.json');

-- An instance that is down keeps the time it was last seen, in seconds since 1970.
create definer = 'rdsadmin'@'127.0.0.1' sql security definer view awsdb.instances as
select * from json_table(awsdb.topology(), '$[*]' columns (
  id varchar(100) path '$.id',
  number int unsigned path '$.number',
  writer bool path '$.writer',
  endpoint varchar(255) path '$.endpoint',
  port int unsigned path '$.port',
  lost decimal(20, 6) path '$.lost')) as instance;
