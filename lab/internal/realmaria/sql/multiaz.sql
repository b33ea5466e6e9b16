create definer = 'rdsadmin'@'127.0.0.1' sql security definer view mysql.rds_topology as
select number as id, endpoint, port from awsdb.instances;

-- What SHOW REPLICA STATUS says on the readers; its columns have other names in MariaDB.
create definer = 'rdsadmin'@'127.0.0.1' sql security definer view awsdb.replica_status as
select 'Waiting for source to send event' as Replica_IO_State, endpoint as Source_Host, port as Source_Port,
       'Yes' as Replica_IO_Running, 'Yes' as Replica_SQL_Running, 0 as Seconds_Behind_Source, number as Source_Server_Id
from awsdb.instances where writer;
