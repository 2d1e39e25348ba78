SELECT depth, path, process_id, parent_id, argv, first_seq, last_seq FROM process_tree ORDER BY position;
SELECT host_pid, parent_host_pid, comm, exe, start_time, exit_time, exit_code, inferred FROM processes ORDER BY start_time;
SELECT from_seq, until_seq, host_pid, comm, exe, exit_time FROM process_versions WHERE host_pid = 900 ORDER BY from_seq;
-- Before its first event, between its versions, after its exit; an id that nothing has, and no event.
SELECT seq, process_at((SELECT process_id FROM processes WHERE comm = 'bash'), seq)['exe'] AS exe, process_at(5, seq) AS nobody FROM (VALUES (0), (1), (12), (NULL)) AS t(seq);
SELECT seq, comm, process_path(process_id, seq) AS path, array_length(ancestors(process_id, seq, 2)) AS ancestors FROM events WHERE name <> 'sched_process_fork';
SELECT seq, parent.host_pid, parent.comm FROM (SELECT seq, unnest(ancestors(process_id, seq, 5)) AS parent FROM sched_process_exec) ORDER BY seq;
SELECT ancestors(1, 5, 5) AS unknown, array_length(ancestors(process_id, 5, 0)) AS none, ancestors(process_id, 5, -1) AS backwards FROM processes WHERE host_pid = 712;
SELECT * FROM containers;
SELECT from_seq, until_seq, container_name, start_time, end_time FROM container_versions ORDER BY from_seq;
SELECT seq, container_at(77, seq)['container_name'] AS name, container_at('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', seq)['end_time'] AS ended FROM events WHERE seq IN (7, 8, 9, 12);
SELECT * FROM dns ORDER BY seq, name DESC;
-- A minute after the answer, the address has no name any more, but the alias holds.
SELECT seq, comm, remote_addr, dns_names(remote_addr, seq) AS names, dns_addresses('shop.test', seq) AS addresses FROM security_socket_connect;
SELECT dns_names('192.0.2.7', 3) AS before, dns_names('192.0.2.8', 5) AS other, dns_names('no address', 5) AS wrong, dns_names('::ffff:192.0.2.7', 5) AS mapped;
SELECT address, name, module FROM symbols;
SELECT symbol_at(18446744071578845440 + 8) AS inside, symbol_at(4096, 3) AS user, is_kernel_text(18446744071578845440) AS text, is_kernel_text(18446744072635813888, 3) AS module;
SELECT id, name, native_name FROM syscalls WHERE id IN (2, 336, 449);
SELECT syscall_name(2), syscall_id('open'), syscall_name(-1), syscall_id('no such call');
SELECT * FROM system;
SELECT * FROM custom;
SELECT * FROM stores;
SELECT seq, detector_id, name, severity, event FROM detections;
