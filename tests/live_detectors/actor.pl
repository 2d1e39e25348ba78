# What a shell cannot do. usage: perl actor.pl ACTION [ARGUMENT]
use strict;
use warnings;
use POSIX ();
use Socket;

# System calls by number.
my %calls = (
    x86_64  => { ptrace => 101, memfd_create => 319, mmap => 9,   mprotect => 10,  mount => 165, process_vm_writev => 311 },
    aarch64 => { ptrace => 117, memfd_create => 279, mmap => 222, mprotect => 226, mount => 40,  process_vm_writev => 271 },
);
my $call = $calls{ (POSIX::uname())[4] } or die "unknown machine\n";

# A child that waits until it is killed.
sub child {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) { sleep 10; POSIX::_exit(0) }
    return $pid;
}

sub reap {
    my ($pid) = @_;
    kill KILL => $pid;
    waitpid $pid, 0;
}

# A socket that is connected to another one of this process.
sub connected {
    socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    bind($listener, sockaddr_in(0, INADDR_LOOPBACK)) or die "bind: $!";
    listen($listener, 1) or die "listen: $!";
    my ($port) = sockaddr_in(getsockname($listener));
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($socket, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
    return ($socket, $listener);
}

# The address of the bytes of a text; the same in a child.
sub address { return unpack 'J', pack 'p', $_[0] }

my $word = 'harmless' x 8;
my %actions = (
    'duplicate-socket' => sub {
        my ($socket, $listener) = connected();
        POSIX::dup2(fileno $socket, $_[0]) // die "dup2: $!";
    },
    'connect-as-input' => sub {
        # The lowest number is given to the next file.
        POSIX::close(0);
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
        die "not the input" if fileno $socket;
        # Nobody listens, which does not matter.
        connect($socket, sockaddr_in(9, INADDR_LOOPBACK));
    },
    connect => sub {
        my ($peer) = @_;
        my $address = $peer =~ m{^/} ? sockaddr_un($peer) : sockaddr_in(9, inet_aton($peer));
        socket(my $socket, $peer =~ m{^/} ? PF_UNIX : PF_INET, SOCK_STREAM, 0) or die "socket: $!";
        connect($socket, $address);
    },
    'trace-me' => sub { syscall($call->{ptrace}, 0, 0, 0, 0) == 0 or die "ptrace: $!" },
    attach => sub {
        my $pid = child();
        syscall($call->{ptrace}, 16, $pid, 0, 0) == 0 or die "attach: $!";
        waitpid $pid, POSIX::WUNTRACED();
        my $read = "\0" x 8;
        syscall($call->{ptrace}, 2, $pid, address($word), $read) == 0 or die "peek: $!";
        die "read `$read`" if $read ne 'harmless';
        if ($_[0] eq 'poke') {
            for my $request (4, 5) {
                syscall($call->{ptrace}, $request, $pid, address($word), unpack 'J', $read) == 0 or die "poke: $!";
            }
        }
        syscall($call->{ptrace}, 17, $pid, 0, 0) == 0 or die "detach: $!";
        reap($pid);
    },
    'seal-memory' => sub {
        my $at = syscall($call->{mmap}, 0, 4096, 7, 0x22, -1, 0);
        syscall($call->{mprotect}, $at, 4096, 5) == 0 or die "mprotect: $!";
    },
    'run-memory-file' => sub {
        my $name = 'tracee-cap-test';
        my $number = syscall($call->{memfd_create}, $name, 0);
        open(my $memory, '>&=', $number) or die "memfd_create: $!";
        open(my $program, '<', '/bin/true') or die "true: $!";
        binmode $_ for $memory, $program;
        local $/;
        print {$memory} <$program>;
        $memory->flush();
        exec "/proc/self/fd/$number" or die "exec: $!";
    },
    'open-memory' => sub {
        my $pid = child();
        my $mode = { read => '<', write => '>', both => '+<' }->{ $_[0] };
        open(my $memory, $mode, "/proc/$pid/mem") or die "mem: $!";
        reap($pid);
    },
    'write-memory' => sub {
        my $pid = $_[0] eq 'own' ? $$ : child();
        my $part = pack 'JJ', address($word), 8;
        my $same = $part;
        syscall($call->{process_vm_writev}, $pid, $part, 1, $same, 1, 0) == 8 or die "process_vm_writev: $!";
        reap($pid) if $pid != $$;
    },
    mount => sub {
        # There is no such device, and nothing is mounted.
        my ($device, $place, $type, $none) = ($_[0], '/etc', 'ext4', '');
        syscall($call->{mount}, $device, $place, $type, 0, $none);
    },
);
my $name = shift // '';
my $action = $actions{$name} or die "no action `$name`\n";
$action->(@ARGV);
