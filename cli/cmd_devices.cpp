#include <fmt/format.h>

#include "backend/cpu/cpu.h"
#include "backend/cuda/cuda.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/table.h"
#include "cost/machine_probe.h"
#include "cost/roofline.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string name;
  int threads = 0;
  bool json = false;
};

constexpr const char* kThisMachine = "this-machine";

Device device_named(const Options& options) {
  if (options.name != kThisMachine) return find_device(options.name);
  ThreadPool threads(options.threads);
  return measured_device(threads);
}

/// Which of our kernels run there.
std::string kernels_text(const Device& device) {
  if (device.kind == DeviceKind::gpu && !built_with_cuda()) return "none: this build has no CUDA backend";
  std::string names;
  for (const Kernel& kernel : device.kind == DeviceKind::gpu ? cuda::cuda_kernels() : cpu_backend().kernels())
    names += (names.empty() ? "" : ", ") + std::string(kernel.name);
  return names;
}

/// 2.04 TB/s, 40 MB, 1410 MHz, by what the key says.
std::string value_text(const std::string& key, const Figure& figure) {
  if (!figure.value) return "unknown";
  const double value = *figure.value;
  if (key.ends_with("bandwidth")) return bytes_text(value) + "/s";
  if (key.starts_with("l1_bytes_per") || key.starts_with("l2_bytes_per"))
    return key.ends_with("clock") || key.ends_with("clock_per_sm") ? fmt::format("{} B/clock", value)
                                                                   : fmt::format("{:.0f} KiB", value / 1024);
  if (key == "l2_bytes") return fmt::format("{:.0f} KiB", value / 1024);
  if (key.ends_with("bytes")) return bytes_text(value);
  if (key.ends_with("_mhz")) return fmt::format("{:.0f} MHz", value);
  if (key == "watts") return fmt::format("{:.0f} W", value);
  return fmt::format("{}", value);
}

OrderedJson figures_json(const Device& device, const std::vector<std::pair<std::string, Figure>>& figures) {
  OrderedJson json = OrderedJson::object();
  for (const auto& [key, figure] : figures) {
    if (!figure.value) {
      json[key] = nullptr;
      continue;
    }
    const FigureSource& source = device.sources.at(figure.source);
    json[key] = {{"value", *figure.value}, {"kind", source.kind}, {"source", source.title}};
  }
  return json;
}

OrderedJson device_json(const Device& device) {
  OrderedJson json;
  json["name"] = device.name;
  json["title"] = device.title;
  json["kind"] = device.kind == DeviceKind::gpu ? "gpu" : "cpu";
  json["memory_kind"] = device.memory_kind;
  json["unified_memory"] = device.unified_memory;
  json["figures"] = figures_json(device, device.figures);
  if (const auto threads = device.threads()) json["threads"] = *threads;
  json["dense_peaks"] = figures_json(device, device.peaks);
  json["quoted_sparse"] = figures_json(device, device.quoted_sparse);
  json["flops_per_byte"] = OrderedJson::object();
  for (const auto& [key, figure] : device.peaks)
    if (const auto ratio = device.flops_per_byte(key)) json["flops_per_byte"][key] = *ratio;
  json["planned_bandwidth"] = achievable_bandwidth(device);
  json["kernels"] = kernels_text(device);
  json["power_modes"] = OrderedJson::object();
  for (const PowerMode& mode : device.power_modes) {
    OrderedJson& entry = json["power_modes"][mode.name] = OrderedJson::object();
    if (mode.sms > 0) entry["sms"] = mode.sms;
    if (mode.gpu_mhz > 0) entry["gpu_mhz"] = mode.gpu_mhz;
    if (mode.memory_mhz > 0) entry["memory_mhz"] = mode.memory_mhz;
  }
  json["notes"] = device.notes;
  return json;
}

void print_device(const Device& device) {
  print_text(fmt::format("{}: {}\n", device.name, device.title));
  print_text(fmt::format("{} memory{}\n\n", device.memory_kind.empty() ? "its own" : device.memory_kind,
                         device.unified_memory ? ", shared with the system" : ""));
  using Align = Table::Align;
  Table figures({{"figure", Align::left}, {"value"}, {"kind", Align::left}, {"source", Align::left}});
  const auto source_of = [&](const Figure& figure) {
    return figure.value ? device.sources.at(figure.source) : FigureSource{"", ""};
  };
  for (const auto& [key, figure] : device.figures)
    figures.add_row({key, value_text(key, figure), source_of(figure).kind, source_of(figure).title});
  if (const auto threads = device.threads())
    figures.add_row({"threads", fmt::format("{}", *threads), "derived", "threads_per_sm x sms"});
  print_text(figures.str() + "\n");
  Table peaks({{"dense peak", Align::left},
               {"T/s"},
               {"op per byte"},
               {"kind", Align::left},
               {"source", Align::left}});
  for (const auto& [key, figure] : device.peaks) {
    const auto ratio = device.flops_per_byte(key);
    peaks.add_row({key, figure.value ? fmt::format("{:.4g}", *figure.value / 1e12) : "unknown",
                   ratio ? fmt::format("{:.1f}", *ratio) : "", source_of(figure).kind,
                   source_of(figure).title});
  }
  print_text(peaks.str());
  for (const auto& [key, figure] : device.quoted_sparse)
    if (figure.value)
      print_text(fmt::format("quoted with sparsity: {} {:.4g} T/s\n", key, *figure.value / 1e12));
  for (const PowerMode& mode : device.power_modes) {
    std::string line = fmt::format("power mode {}:", mode.name);
    if (mode.sms > 0) line += fmt::format(" {} SMs", mode.sms);
    if (mode.gpu_mhz > 0) line += fmt::format(" at {} MHz", mode.gpu_mhz);
    if (mode.memory_mhz > 0) line += fmt::format(", memory at {} MHz", mode.memory_mhz);
    print_text(line + "\n");
  }
  print_text(
      fmt::format("planned with {}/s of memory bandwidth\n", bytes_text(achievable_bandwidth(device))));
  print_text(fmt::format("kernels of this build: {}\n", kernels_text(device)));
  for (const std::string& note : device.notes) print_text("note: " + note + "\n");
}

void print_list(bool json) {
  if (json) {
    OrderedJson list = OrderedJson::array();
    for (const Device& device : devices()) list.push_back(device_json(device));
    return print_json({{"devices", list}});
  }
  using Align = Table::Align;
  Table table({{"name", Align::left},
               {"device", Align::left},
               {"SMs"},
               {"memory"},
               {"bandwidth"},
               {"f32 T/s"},
               {"f16 T/s"},
               {"int8 T/s"},
               {"CC"}});
  const auto tera = [](std::optional<double> value) {
    return value ? fmt::format("{:.4g}", *value / 1e12) : std::string("unknown");
  };
  const auto plain = [](std::optional<double> value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  for (const Device& device : devices()) {
    const auto f16 = device.peak("f16_acc32");
    table.add_row({device.name, device.title, plain(device.figure("sms")),
                   fmt::format("{:.0f} GiB", *device.figure("memory_bytes") / (1 << 30)),
                   bytes_text(*device.figure("bandwidth")) + "/s", tera(device.peak("f32")),
                   tera(f16 ? f16 : device.peak("f16_acc16")), tera(device.peak("int8_acc32")),
                   plain(device.figure("compute_capability"))});
  }
  print_text(table.str());
  print_text(
      "Peaks are dense. `halftone devices NAME` tells each figure's source; `this-machine` is measured.\n");
}

}  // namespace

void add_devices(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("devices", "List the devices that plans can be made for");
  command->add_option("name", options->name, "Tell all of one device; this-machine: measure this one")
      ->type_name("NAME");
  command->add_option("-t,--threads", options->threads, "Threads to measure this machine with (0: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer("Example:\n  halftone devices\n  halftone devices jetson-agx-orin-64gb");
  command->callback([options] {
    if (options->name.empty()) return print_list(options->json);
    const Device device = device_named(*options);
    options->json ? print_json(device_json(device)) : print_device(device);
  });
}

}  // namespace halftone::cli
