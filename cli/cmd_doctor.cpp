#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/sysinfo.h>

#include "base/cpu.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/table.h"
#include "cost/memory.h"
#include "cost/probe.h"

namespace halftone::cli {
namespace {

struct Options {
  int threads = 0;
  bool json = false;
};

struct Memory {
  double total = 0;
  double free = 0;  ///< as plans count it: what the page cache would give back belongs to it
};

Memory memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  return {static_cast<double>(info.totalram) * info.mem_unit,
          free_memory_bytes().value_or(static_cast<double>(info.freeram) * info.mem_unit)};
}

void doctor(const Options& options) {
  ThreadPool threads(options.threads);
  std::vector<std::string_view> isas;
  for (Isa isa : cpu_isas()) isas.push_back(isa_name(isa));
  const double bandwidth = read_bandwidth(threads), f32 = peak_f32_flops(threads),
               int8 = peak_int8_ops(threads), bf16 = peak_bf16_flops(threads);
  const Memory ram = memory();
  const std::vector<std::string> gpus = gpu_lines();
  if (options.json) {
    OrderedJson report;
    report["cpu"] = cpu_model_name();
    report["cores"] = available_cores();
    report["threads"] = threads.size();
    report["isas"] = isas;
    report["memory_bytes"] = ram.total;
    report["memory_free_bytes"] = ram.free;
    report["read_bandwidth_bytes_per_s"] = bandwidth;
    report["peak_f32_flops"] = f32;
    report["peak_bf16_flops"] = bf16;
    report["peak_int8_ops"] = int8;
    report["cuda_backend"] = built_with_cuda();
    report["gpu"] = gpus;
    return print_json(report);
  }
  print_text(fmt::format("Processor       {}\n", cpu_model_name()));
  print_text(fmt::format("Cores           {} ({} threads measured)\n", available_cores(), threads.size()));
  print_text(fmt::format("Kernels for     {}\n", fmt::join(isas, ", ")));
  print_text(fmt::format("Memory          {} ({} free)\n", bytes_text(ram.total), bytes_text(ram.free)));
  print_text(fmt::format("Read bandwidth  {:.1f} GB/s\n", bandwidth / 1e9));
  print_text(fmt::format("Peak f32        {:.0f} GFLOP/s\n", f32 / 1e9));
  print_text(bf16 > 0 ? fmt::format("Peak bf16       {:.0f} GFLOP/s\n", bf16 / 1e9)
                      : std::string("Peak bf16       no instruction for it\n"));
  print_text(fmt::format("Peak int8       {:.0f} GOP/s\n", int8 / 1e9));
  for (const std::string& gpu : gpus) print_text(fmt::format("GPU             {}\n", gpu));
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("doctor", "Tell what this machine has and measure what it really does");
  command->add_option("-t,--threads", options->threads, "Threads (0: one for each core)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer("Example:\n  halftone doctor\n  halftone doctor -t 1 --json");
  command->callback([options] { doctor(*options); });
}

}  // namespace halftone::cli
