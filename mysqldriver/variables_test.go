package mysqldriver

import (
	"errors"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover" // its parameters must not be mistaken for variables, nor variables for them
)

// variables of MySQL, MariaDB and Aurora; most of them a session can set, and so can
// a DSN.
const variables = `alter_algorithm analyze_sample_percentage auto_increment_increment auto_increment_offset autocommit aurora_read_replica_read_committed
	aurora_replica_read_consistency big_tables binlog_direct_non_transactional_updates binlog_format binlog_row_image binlog_rows_query_log_events
	bulk_insert_buffer_size character_set_client character_set_connection character_set_database character_set_filesystem character_set_results
	character_set_server check_constraint_checks collation_connection collation_database collation_server column_compression_threshold completion_type
	connect_timeout connection_memory_chunk_size connection_memory_limit cte_max_recursion_depth deadlock_search_depth_long deadlock_timeout_long debug
	default_collation_for_utf8mb4 default_storage_engine default_table_encryption default_tmp_storage_engine default_week_format delayed_insert_timeout
	div_precision_increment end_markers_in_json enforce_storage_engine eq_range_index_dive_limit explain_format explicit_defaults_for_timestamp
	flush_time foreign_key_checks generated_random_password_length global_connection_memory_tracking group_concat_max_len
	group_replication_consistency gtid_next gtid_seq_no have_ssl histogram_generation_max_mem_size histogram_size idle_readonly_transaction_timeout
	idle_transaction_timeout idle_write_transaction_timeout information_schema_stats_expiry innodb_compression_default innodb_ft_enable_stopword
	innodb_lock_wait_timeout innodb_parallel_read_threads innodb_strict_mode innodb_table_locks innodb_tmpdir insert_id interactive_timeout
	join_buffer_size join_cache_level keep_files_on_create last_insert_id lc_messages lc_time_names local_infile lock_wait_timeout log_slow_verbosity
	long_query_time low_priority_updates max_allowed_packet max_connections max_delayed_threads max_digest_length max_error_count max_execution_time
	max_heap_table_size max_join_size max_length_for_sort_data max_points_in_geometry max_recursive_iterations max_rowid_filter_size
	max_seeks_for_key max_session_mem_used max_sort_length max_sp_recursion_depth max_statement_time max_tmp_tables max_user_connections
	min_examined_row_limit mrr_buffer_size myisam_repair_threads myisam_sort_buffer_size myisam_stats_method ndb_allow_copying_alter_table
	net_buffer_length net_read_timeout net_retry_count net_write_timeout new old old_alter_table old_mode old_passwords optimizer_prune_level
	optimizer_search_depth optimizer_switch optimizer_trace optimizer_trace_features optimizer_trace_limit optimizer_trace_max_mem_size
	optimizer_trace_offset optimizer_use_condition_selectivity parser_max_mem_size performance_schema preload_buffer_size
	print_identified_with_as_hex profiling profiling_history_size progress_report_time proxy_user pseudo_replica_mode pseudo_slave_mode pseudo_thread_id query_alloc_block_size
	query_cache_strip_comments query_cache_type query_cache_wlock_invalidate query_prealloc_size rand_seed1 rand_seed2 range_alloc_block_size
	range_optimizer_max_mem_size rbr_exec_mode read_buffer_size read_only read_rnd_buffer_size require_row_format
	restrict_fk_on_non_standard_key resultset_metadata rowid_merge_buff_size secondary_engine_cost_threshold select_into_buffer_size
	select_into_disk_sync select_into_disk_sync_delay server_id session_track_gtids session_track_schema session_track_state_change
	session_track_system_variables session_track_transaction_info set_operations_buffer_size show_create_table_skip_secondary_engine
	show_create_table_verbosity show_gipk_in_create_table_and_information_schema show_old_temporals skip_replication slow_query_log sort_buffer_size
	sql_auto_is_null sql_big_selects sql_buffer_result sql_generate_invisible_primary_key sql_if_exists sql_log_bin sql_log_off sql_mode sql_notes
	sql_quote_show_create sql_require_primary_key sql_safe_updates sql_select_limit sql_warnings standard_compliant_cte storage_engine
	super_read_only system_versioning_alter_history system_versioning_asof table_definition_cache table_open_cache
	terminology_use_previous thread_pool_high_priority_connection thread_pool_priority thread_stack time_zone timestamp timed_mutexes
	tls_version tmp_disk_table_size tmp_memory_table_size tmp_table_size transaction_alloc_block_size transaction_allow_batching transaction_isolation
	transaction_prealloc_size transaction_read_only transaction_write_set_extraction tx_isolation tx_read_only unique_checks
	updatable_views_with_limit use_secondary_engine use_stat_tables version version_comment wait_timeout windowing_use_high_precision
	wsrep_causal_reads wsrep_dirty_reads wsrep_on wsrep_osu_method wsrep_retry_autocommit wsrep_sync_wait wsrep_trx_fragment_size
	xa_detach_on_prepare`

// Variables of the server pass, whatever parameters of ours they resemble.
func TestSystemVariablesPass(t *testing.T) {
	for _, name := range strings.Fields(variables) {
		for _, spelling := range []string{name, strings.ToUpper(name), "@@session." + name, "@@" + name} {
			e, _, err := opened("app@tcp(db.example)/x?" + spelling + "=1")
			if err != nil {
				t.Errorf("%v", err)
			} else if e.base.Params[spelling] != "1" {
				t.Errorf("%s was taken", spelling)
			}
		}
	}
}

// Parameters of ours that are misspelt, and those of other wrappers, do not reach the
// server, which would call them an unknown variable on each connect.
func TestMisspeltParametersDoNot(t *testing.T) {
	for key, want := range map[string]string{
		"pluginz":                    "did you mean plugins?",
		"failoverTimeoutSecs":        "did you mean failover_timeout_sec?",
		"failover_timout_sec":        "did you mean failover_timeout_sec?",
		"clusterIds":                 "did you mean cluster_id?",
		"topology_refesh_ms":         "did you mean topology_refresh_ms?",
		"iamRegion":                  `import _ "github.com/awsdb/awsdb/iamauth"`,
		"secretsManagerSecretId":     `import _ "github.com/awsdb/awsdb/secrets"`,
		"readerHostSelectorStrategy": "does not exist here yet",
		"socketTimeout":              "is not supported",
		"wrapperProfileName":         "is not supported",
	} {
		_, err := Driver{}.OpenConnector("app@tcp(db.example)/x?" + key + "=1")
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
