/* The series of a node_exporter, made from tables of families and dimensions. */
#include "bench/node_shape.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"
#include "base/float_text.h"

#include <stdio.h>
#include <string.h>

/* What a family has one series for each of. */
enum dimension {
    EACH_MACHINE,
    EACH_CPU,
    EACH_DISK,
    EACH_NETWORK,
    EACH_MOUNT,
    EACH_COLLECTOR,
};

struct family {
    const char *name;
    enum dimension each;
    enum walk_kind walk;
    const char *type;
};

#define COUNTER "counter"
#define GAUGE "gauge"

static const char *const cpu_modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
static const char *const disks[] = {"nvme0n1", "nvme1n1", "sda", "sdb", "dm-0", "dm-1"};
static const char *const networks[] = {"lo",  "eth0",        "eth1",        "docker0",
                                       "br0", "veth51a7c3f", "veth9d02e84", "bond0"};
static const struct node_label mounts[] = {
    {"/dev/nvme0n1p2", "/"},       {"/dev/nvme0n1p1", "/boot/efi"}, {"/dev/mapper/data-db", "/srv/db"},
    {"/dev/mapper/data-log", "/var/log"}, {"/dev/sda1", "/srv/backup"}, {"tmpfs", "/run"},
    {"tmpfs", "/run/lock"},        {"/dev/sdb1", "/srv/archive"},
};
static const char *const collectors[] = {
    "arp",       "bcache",     "bonding",   "btrfs",    "conntrack", "cpu",       "cpufreq",
    "diskstats", "dmi",        "edac",      "entropy",  "fibrechannel", "filefd", "filesystem",
    "hwmon",     "infiniband", "ipvs",      "loadavg",  "mdadm",     "meminfo",   "netclass",
    "netdev",    "netstat",    "nfs",       "nfsd",     "nvme",      "os",        "powersupplyclass",
    "pressure",  "rapl",       "schedstat", "sockstat", "softnet",   "stat",      "tapestats",
    "textfile",  "thermal_zone", "time",
};
static const char *const unit_states[] = {"activating", "active", "deactivating", "failed",
                                          "inactive"};

static const struct family families[] = {
    {"node_schedstat_running_seconds_total", EACH_CPU, WALK_SECONDS, COUNTER},
    {"node_schedstat_timeslices_total", EACH_CPU, WALK_EVENTS, COUNTER},
    {"node_schedstat_waiting_seconds_total", EACH_CPU, WALK_SECONDS, COUNTER},
    {"node_softnet_dropped_total", EACH_CPU, WALK_CONSTANT, COUNTER},
    {"node_softnet_processed_total", EACH_CPU, WALK_EVENTS, COUNTER},
    {"node_softnet_times_squeezed_total", EACH_CPU, WALK_CONSTANT, COUNTER},
    {"node_cpu_scaling_frequency_hertz", EACH_CPU, WALK_PAGES, GAUGE},
    {"node_cpu_scaling_frequency_max_hertz", EACH_CPU, WALK_CONSTANT, GAUGE},
    {"node_disk_discard_time_seconds_total", EACH_DISK, WALK_CONSTANT, COUNTER},
    {"node_disk_discarded_sectors_total", EACH_DISK, WALK_CONSTANT, COUNTER},
    {"node_disk_discards_completed_total", EACH_DISK, WALK_CONSTANT, COUNTER},
    {"node_disk_flush_requests_time_seconds_total", EACH_DISK, WALK_SECONDS, COUNTER},
    {"node_disk_flush_requests_total", EACH_DISK, WALK_EVENTS, COUNTER},
    {"node_disk_io_now", EACH_DISK, WALK_CONSTANT, GAUGE},
    {"node_disk_io_time_seconds_total", EACH_DISK, WALK_SECONDS, COUNTER},
    {"node_disk_io_time_weighted_seconds_total", EACH_DISK, WALK_SECONDS, COUNTER},
    {"node_disk_read_bytes_total", EACH_DISK, WALK_BYTES, COUNTER},
    {"node_disk_read_time_seconds_total", EACH_DISK, WALK_SECONDS, COUNTER},
    {"node_disk_reads_completed_total", EACH_DISK, WALK_EVENTS, COUNTER},
    {"node_disk_reads_merged_total", EACH_DISK, WALK_CONSTANT, COUNTER},
    {"node_disk_write_time_seconds_total", EACH_DISK, WALK_SECONDS, COUNTER},
    {"node_disk_writes_completed_total", EACH_DISK, WALK_EVENTS, COUNTER},
    {"node_disk_writes_merged_total", EACH_DISK, WALK_EVENTS, COUNTER},
    {"node_disk_written_bytes_total", EACH_DISK, WALK_BYTES, COUNTER},
    {"node_network_receive_bytes_total", EACH_NETWORK, WALK_BYTES, COUNTER},
    {"node_network_receive_compressed_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_drop_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_errs_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_fifo_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_frame_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_multicast_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_receive_packets_total", EACH_NETWORK, WALK_EVENTS, COUNTER},
    {"node_network_transmit_bytes_total", EACH_NETWORK, WALK_BYTES, COUNTER},
    {"node_network_transmit_carrier_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_colls_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_compressed_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_drop_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_errs_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_fifo_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_transmit_packets_total", EACH_NETWORK, WALK_EVENTS, COUNTER},
    {"node_network_carrier", EACH_NETWORK, WALK_CONSTANT, GAUGE},
    {"node_network_carrier_changes_total", EACH_NETWORK, WALK_CONSTANT, COUNTER},
    {"node_network_mtu_bytes", EACH_NETWORK, WALK_CONSTANT, GAUGE},
    {"node_network_speed_bytes", EACH_NETWORK, WALK_CONSTANT, GAUGE},
    {"node_network_transmit_queue_length", EACH_NETWORK, WALK_CONSTANT, GAUGE},
    {"node_network_up", EACH_NETWORK, WALK_CONSTANT, GAUGE},
    {"node_filesystem_avail_bytes", EACH_MOUNT, WALK_PAGES, GAUGE},
    {"node_filesystem_device_error", EACH_MOUNT, WALK_CONSTANT, GAUGE},
    {"node_filesystem_files", EACH_MOUNT, WALK_CONSTANT, GAUGE},
    {"node_filesystem_files_free", EACH_MOUNT, WALK_PAGES, GAUGE},
    {"node_filesystem_free_bytes", EACH_MOUNT, WALK_PAGES, GAUGE},
    {"node_filesystem_readonly", EACH_MOUNT, WALK_CONSTANT, GAUGE},
    {"node_filesystem_size_bytes", EACH_MOUNT, WALK_CONSTANT, GAUGE},
    {"node_scrape_collector_duration_seconds", EACH_COLLECTOR, WALK_DURATION, GAUGE},
    {"node_scrape_collector_success", EACH_COLLECTOR, WALK_CONSTANT, GAUGE},
    {"node_load1", EACH_MACHINE, WALK_LOAD, GAUGE},
    {"node_load15", EACH_MACHINE, WALK_LOAD, GAUGE},
    {"node_load5", EACH_MACHINE, WALK_LOAD, GAUGE},
    {"node_context_switches_total", EACH_MACHINE, WALK_EVENTS, COUNTER},
    {"node_intr_total", EACH_MACHINE, WALK_EVENTS, COUNTER},
    {"node_forks_total", EACH_MACHINE, WALK_EVENTS, COUNTER},
    {"node_boot_time_seconds", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"node_time_seconds", EACH_MACHINE, WALK_SECONDS, GAUGE},
    {"node_procs_blocked", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"node_procs_running", EACH_MACHINE, WALK_LOAD, GAUGE},
    {"node_filefd_allocated", EACH_MACHINE, WALK_EVENTS, GAUGE},
    {"node_filefd_maximum", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"node_entropy_available_bits", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"process_cpu_seconds_total", EACH_MACHINE, WALK_SECONDS, COUNTER},
    {"process_max_fds", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"process_open_fds", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"process_resident_memory_bytes", EACH_MACHINE, WALK_PAGES, GAUGE},
    {"process_start_time_seconds", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"process_virtual_memory_bytes", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"go_goroutines", EACH_MACHINE, WALK_CONSTANT, GAUGE},
    {"go_threads", EACH_MACHINE, WALK_CONSTANT, GAUGE},
};

/* Families of one series each that share a prefix: memory, protocol counters, page counters. */
struct group {
    const char *prefix;
    const char *suffix;
    enum walk_kind walk;
    const char *type;
    const char *names; /* separated by spaces */
};

static const struct group groups[] = {
    {"node_memory_", "_bytes", WALK_PAGES, GAUGE,
     "Active_anon Active_file Active AnonPages Buffers Cached Committed_AS Dirty Inactive_anon "
     "Inactive_file Inactive KReclaimable KernelStack Mapped MemAvailable MemFree PageTables Percpu "
     "SReclaimable SUnreclaim Shmem Slab Writeback AnonHugePages DirectMap4k DirectMap2M"},
    {"node_memory_", "_bytes", WALK_CONSTANT, GAUGE,
     "Bounce CommitLimit HardwareCorrupted Hugepagesize Hugetlb MemTotal Mlocked NFS_Unstable "
     "ShmemHugePages ShmemPmdMapped SwapCached SwapFree SwapTotal Unevictable VmallocChunk "
     "VmallocTotal WritebackTmp"},
    {"node_netstat_", "", WALK_EVENTS, "untyped",
     "Icmp_InMsgs Icmp_OutMsgs IpExt_InOctets IpExt_OutOctets Ip6_InOctets Ip6_OutOctets "
     "Tcp_ActiveOpens Tcp_CurrEstab Tcp_InSegs Tcp_OutSegs Tcp_PassiveOpens Tcp_RetransSegs "
     "Udp_InDatagrams Udp_NoPorts Udp_OutDatagrams TcpExt_TCPTimeouts TcpExt_ListenOverflows"},
    {"node_netstat_", "", WALK_CONSTANT, "untyped",
     "Icmp6_InErrors Icmp_InErrors Ip_Forwarding TcpExt_ListenDrops TcpExt_SyncookiesFailed "
     "TcpExt_SyncookiesRecv TcpExt_SyncookiesSent Tcp_InErrs UdpLite6_InErrors UdpLite_InErrors "
     "Udp6_InErrors Udp6_RcvbufErrors Udp_InErrors Udp_RcvbufErrors Udp_SndbufErrors"},
    {"node_vmstat_", "", WALK_EVENTS, "untyped", "pgfault pgmajfault pgpgin pgpgout pgsteal_kswapd"},
    {"node_vmstat_", "", WALK_CONSTANT, "untyped", "oom_kill pswpin pswpout"},
    {"node_sockstat_", "", WALK_EVENTS, GAUGE, "TCP_alloc TCP_inuse TCP_mem sockets_used"},
    {"node_sockstat_", "", WALK_CONSTANT, GAUGE,
     "FRAG_inuse FRAG_memory RAW_inuse TCP_orphan TCP_tw UDPLITE_inuse UDP_inuse UDP_mem"},
    {"node_timex_", "", WALK_DURATION, GAUGE,
     "offset_seconds frequency_adjustment_ratio estimated_error_seconds maxerror_seconds"},
    {"node_timex_", "", WALK_CONSTANT, GAUGE,
     "loop_time_constant pps_calibration_total pps_error_total pps_frequency_hertz "
     "pps_jitter_seconds pps_shift_seconds pps_stability_hertz status sync_status "
     "tai_offset_seconds tick_seconds"},
    {"node_pressure_", "_seconds_total", WALK_SECONDS, COUNTER,
     "cpu_waiting io_stalled io_waiting memory_stalled memory_waiting"},
    {"go_memstats_", "", WALK_PAGES, GAUGE,
     "alloc_bytes alloc_bytes_total heap_alloc_bytes heap_idle_bytes heap_inuse_bytes "
     "heap_objects frees_total mallocs_total next_gc_bytes heap_released_bytes"},
    {"go_memstats_", "", WALK_CONSTANT, GAUGE,
     "buck_hash_sys_bytes gc_sys_bytes heap_sys_bytes lookups_total mcache_inuse_bytes "
     "mcache_sys_bytes mspan_inuse_bytes mspan_sys_bytes other_sys_bytes stack_inuse_bytes "
     "stack_sys_bytes sys_bytes"},
};

struct shaper {
    struct node_shape *shape;
    size_t count;
};

static const char *shape_name(struct node_shape *shape, const char *text, size_t len)
{
    ASSERT(shape->names_len + len < sizeof(shape->names));
    char *name = shape->names + shape->names_len;
    memcpy(name, text, len);
    name[len] = '\0';
    shape->names_len += len + 1;
    return name;
}

static struct node_series *shape_add(struct shaper *shaper, const char *family, const char *type,
                                     enum walk_kind walk)
{
    ASSERT(shaper->count < NODE_SERIES_COUNT);
    struct node_series *series = &shaper->shape->series[shaper->count++];
    series->family = family;
    series->type = type;
    series->help = "Made up by the load generator, in the length of a usual line of help.";
    series->walk = walk;
    series->constant = (double)(shaper->count * 7919 % 3); /* most constants are 0, 1 or 2 */
    return series;
}

static void shape_label(struct node_series *series, const char *name, const char *value)
{
    ASSERT(series->label_count < NODE_LABELS_MAX);
    series->labels[series->label_count++] = (struct node_label){name, value};
}

static const char *shape_number(struct shaper *shaper, size_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%zu", number);
    return shape_name(shaper->shape, text, (size_t)len);
}

enum { CPU_COUNT = 20 };

static size_t dimension_count(enum dimension each)
{
    static const size_t counts[] = {
        [EACH_MACHINE] = 1,
        [EACH_CPU] = CPU_COUNT,
        [EACH_DISK] = ARRAY_SIZE(disks),
        [EACH_NETWORK] = ARRAY_SIZE(networks),
        [EACH_MOUNT] = ARRAY_SIZE(mounts),
        [EACH_COLLECTOR] = ARRAY_SIZE(collectors),
    };
    return counts[each];
}

static void shape_place(struct node_series *series, enum dimension each, size_t at,
                        const char *const *cpus)
{
    switch (each) {
    case EACH_MACHINE:
        break;
    case EACH_CPU:
        shape_label(series, "cpu", cpus[at]);
        break;
    case EACH_DISK:
        shape_label(series, "device", disks[at]);
        break;
    case EACH_NETWORK:
        shape_label(series, "device", networks[at]);
        break;
    case EACH_MOUNT:
        shape_label(series, "device", mounts[at].name);
        shape_label(series, "fstype", strcmp(mounts[at].name, "tmpfs") == 0 ? "tmpfs" : "ext4");
        shape_label(series, "mountpoint", mounts[at].value);
        break;
    case EACH_COLLECTOR:
        shape_label(series, "collector", collectors[at]);
        break;
    }
}

static void shape_cpus(struct shaper *shaper, const char *const *cpus)
{
    for (size_t cpu = 0; cpu < CPU_COUNT; cpu++) {
        for (size_t mode = 0; mode < ARRAY_SIZE(cpu_modes); mode++) {
            bool still = strcmp(cpu_modes[mode], "irq") == 0 ||
                         strcmp(cpu_modes[mode], "nice") == 0 ||
                         strcmp(cpu_modes[mode], "steal") == 0;
            struct node_series *series = shape_add(shaper, "node_cpu_seconds_total", COUNTER,
                                                   still ? WALK_CONSTANT : WALK_SECONDS);
            shape_label(series, "cpu", cpus[cpu]);
            shape_label(series, "mode", cpu_modes[mode]);
        }
    }
}

static void shape_groups(struct shaper *shaper)
{
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        const struct group *group = &groups[i];
        for (const char *at = group->names; *at != '\0';) {
            size_t len = strcspn(at, " ");
            char name[128];
            int name_len = snprintf(name, sizeof(name), "%s%.*s%s", group->prefix, (int)len, at,
                                    group->suffix);
            shape_add(shaper, shape_name(shaper->shape, name, (size_t)name_len), group->type,
                      group->walk);
            at += len + (at[len] == ' ');
        }
    }
}

/* Units of the system take the places that are left. */
static void shape_units(struct shaper *shaper)
{
    const char *unit = NULL;
    for (size_t i = 0; shaper->count < NODE_SERIES_COUNT; i++) {
        size_t state = i % ARRAY_SIZE(unit_states);
        if (state == 0) {
            char text[40];
            int len = snprintf(text, sizeof(text), "application-%zu.service", i);
            unit = shape_name(shaper->shape, text, (size_t)len);
        }
        struct node_series *series =
            shape_add(shaper, "node_systemd_unit_state", GAUGE, WALK_CONSTANT);
        shape_label(series, "name", unit);
        shape_label(series, "state", unit_states[state]);
        shape_label(series, "type", "simple");
    }
}

/* Brings the number of moving series to what it is on a real machine. */
static void shape_balance(struct node_shape *shape)
{
    size_t moving = 0;
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
        moving += shape->series[i].walk != WALK_CONSTANT;
    for (size_t i = 0; i < NODE_SERIES_COUNT && moving != NODE_MOVING_COUNT; i++) {
        struct node_series *series = &shape->series[i];
        bool moves = series->walk != WALK_CONSTANT;
        if (moves == (moving > NODE_MOVING_COUNT) && series->type[0] == 'c') {
            bool seconds = strstr(series->family, "seconds") != NULL;
            series->walk = moves ? WALK_CONSTANT : seconds ? WALK_SECONDS : WALK_EVENTS;
            moving += moves ? (size_t)-1 : 1;
        }
    }
    ASSERT(moving == NODE_MOVING_COUNT);
}

static void shape_text(struct node_series *series)
{
    size_t size = sizeof(series->text);
    size_t len = (size_t)snprintf(series->text, size, "%s", series->family);
    for (size_t i = 0; i < series->label_count; i++)
        len += (size_t)snprintf(series->text + len, size - len, "%c%s=\"%s\"", i == 0 ? '{' : ',',
                                series->labels[i].name, series->labels[i].value);
    if (series->label_count > 0)
        len += (size_t)snprintf(series->text + len, size - len, "}");
    ASSERT(len < size);
}

struct node_shape *node_shape_new(void)
{
    struct node_shape *shape = mem_zalloc(sizeof(*shape));
    struct shaper shaper = {shape, 0};
    const char *cpus[CPU_COUNT];
    for (size_t i = 0; i < CPU_COUNT; i++)
        cpus[i] = shape_number(&shaper, i);
    shape_cpus(&shaper, cpus);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        const struct family *family = &families[i];
        for (size_t at = 0; at < dimension_count(family->each); at++)
            shape_place(shape_add(&shaper, family->name, family->type, family->walk), family->each,
                        at, cpus);
    }
    shape_groups(&shaper);
    shape_units(&shaper);
    shape_balance(shape);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
        shape_text(&shape->series[i]);
    return shape;
}

void node_shape_free(struct node_shape *shape)
{
    mem_free(shape);
}

void node_target_init(struct node_target *target, const struct node_shape *shape, uint64_t seed)
{
    target->shape = shape;
    rand_init(&target->rand, seed);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
        target->walks[i] =
            walk_start(shape->series[i].walk, shape->series[i].constant, &target->rand);
}

void node_target_advance(struct node_target *target, double elapsed_s)
{
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
        walk_next(&target->walks[i], elapsed_s, &target->rand);
}

void node_target_write(const struct node_target *target, struct buf *out)
{
    const char *family = "";
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        const struct node_series *series = &target->shape->series[i];
        if (strcmp(series->family, family) != 0) {
            family = series->family;
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, series->help, family,
                       series->type);
        }
        char value[FLOAT_TEXT_SHORT_SIZE];
        buf_append_str(out, series->text);
        buf_append_byte(out, ' ');
        buf_append(out, value, float_text_g(target->walks[i].value, value));
        buf_append_byte(out, '\n');
    }
}
