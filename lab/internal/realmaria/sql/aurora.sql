create definer = 'rdsadmin'@'127.0.0.1' sql security definer view awsdb.replica_host_status as
select id as SERVER_ID,
       if(writer, 'MASTER_SESSION_ID', insert(insert(insert(insert(md5(id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')) as SESSION_ID,
       3.5e0 as CPU,
       if(writer, 0e0, 14e0) as REPLICA_LAG_IN_MILLISECONDS,
       coalesce(from_unixtime(lost), now(6)) as LAST_UPDATE_TIMESTAMP,
       1 as IS_CURRENT
from awsdb.instances;
