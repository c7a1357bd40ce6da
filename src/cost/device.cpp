#include "cost/device.h"

#include <algorithm>

#include "base/embedded.h"
#include "base/json.h"
#include "base/suggest.h"

namespace halftone {

extern const EmbeddedFile kDeviceFiles[];

namespace {

using Figures = std::vector<std::pair<std::string, Figure>>;

std::optional<double> find_figure(const Figures& figures, std::string_view key) {
  for (const auto& [name, figure] : figures)
    if (name == key) return figure.value;
  return {};
}

Figures parse_figures(const Json& file, const char* key, const Device& device, const std::string& source) {
  Figures figures;
  if (!file.contains(key)) return figures;
  const Json& object = file[key];
  if (!object.is_object()) throw InputError("{}: \"{}\": expected an object", source, key);
  for (const auto& [name, entry] : object.items()) {
    const bool pair = entry.is_array() && entry.size() == 2;
    if (pair && entry[0].is_null() && entry[1].is_null()) {
      figures.push_back({name, {}});
      continue;
    }
    if (!pair || !entry[0].is_number() || !entry[1].is_string() || entry[0].get<double>() < 0)
      throw InputError("{}: {}.{}: expected [number, source] or [null, null], found {}", source, key, name,
                       entry.dump());
    Figure figure{entry[0].get<double>(), entry[1].get<std::string>()};
    if (!device.sources.count(figure.source))
      throw InputError("{}: {}.{}: source \"{}\" is not listed", source, key, name, figure.source);
    figures.push_back({name, std::move(figure)});
  }
  return figures;
}

/// Multiplies every known peak; what scales a bandwidth is done apart.
void scale(Figures& figures, double factor) {
  for (auto& [name, figure] : figures)
    if (figure.value) *figure.value *= factor;
}

void scale_figure(Figures& figures, std::string_view key, double factor) {
  for (auto& [name, figure] : figures)
    if (name == key && figure.value) *figure.value *= factor;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const Device& device : devices()) names.push_back(device.name);
  return names;
}

}  // namespace

std::optional<double> Device::figure(std::string_view key) const {
  return find_figure(figures, key);
}

std::optional<double> Device::peak(std::string_view key) const {
  return find_figure(peaks, key);
}

std::optional<double> Device::threads() const {
  const auto each = figure("threads_per_sm"), count = figure("sms");
  if (!each || !count) return {};
  return *each * *count;
}

std::optional<double> Device::flops_per_byte(std::string_view peak_key) const {
  const auto compute = peak(peak_key), bandwidth = figure("bandwidth");
  if (!compute || !bandwidth || *bandwidth == 0) return {};
  return *compute / *bandwidth;
}

Device parse_device(std::string_view text, const std::string& source) {
  const Json file = parse_json(text, source);
  Device device;
  device.name = json_get<std::string>(file, "name", source);
  device.title = json_get<std::string>(file, "title", source);
  device.memory_kind = json_get_or<std::string>(file, "memory_kind", "", source);
  const auto kind = json_get<std::string>(file, "kind", source);
  if (kind != "gpu" && kind != "cpu")
    throw InputError("{}: kind: expected gpu or cpu, found \"{}\"", source, kind);
  device.kind = kind == "gpu" ? DeviceKind::gpu : DeviceKind::cpu;
  device.unified_memory = json_get<bool>(file, "unified_memory", source);
  const Json sources = json_get<Json>(file, "sources", source);
  for (const auto& [key, entry] : sources.items()) {
    FigureSource from{json_get<std::string>(entry, "title", source),
                      json_get<std::string>(entry, "kind", source)};
    if (from.kind != "datasheet" && from.kind != "measurement" && from.kind != "derived" &&
        from.kind != "stated")
      throw InputError("{}: source {}: kind \"{}\"", source, key, from.kind);
    device.sources[key] = std::move(from);
  }
  device.figures = parse_figures(file, "figures", device, source);
  device.peaks = parse_figures(file, "dense_peaks", device, source);
  device.quoted_sparse = parse_figures(file, "quoted_sparse", device, source);
  const Json modes = json_get_or<Json>(file, "power_modes", Json::object(), source);
  for (const auto& [name, entry] : modes.items())
    device.power_modes.push_back({name, json_get_or(entry, "sms", 0.0, source),
                                  json_get_or(entry, "gpu_mhz", 0.0, source),
                                  json_get_or(entry, "memory_mhz", 0.0, source)});
  device.notes = json_get_or<std::vector<std::string>>(file, "notes", {}, source);
  for (const char* key : {"memory_bytes", "bandwidth"})
    if (device.figure(key).value_or(0) <= 0) throw InputError("{}: figures.{} is missing", source, key);
  return device;
}

const std::vector<Device>& devices() {
  static const std::vector<Device> all = [] {
    std::vector<Device> list;
    for (const EmbeddedFile* file = kDeviceFiles; !file->name.empty(); ++file)
      list.push_back(parse_device(file->text, "data/devices/" + std::string(file->name)));
    std::sort(list.begin(), list.end(), [](const Device& a, const Device& b) { return a.name < b.name; });
    return list;
  }();
  return all;
}

const Device& find_device(std::string_view name) {
  for (const Device& device : devices())
    if (device.name == name) return device;
  // Names are long and alike, so a part of one is as good a hint as a slip of the fingers.
  const std::vector<std::string> names = device_names();
  std::string hint = did_you_mean(name, names);
  if (hint.empty() && name.size() > 1)
    for (const std::string& known : names)
      if (known.find(name) != std::string::npos)
        hint += (hint.empty() ? "; did you mean '" : "' or '") + known;
  if (!hint.empty() && hint.back() != '?') hint += "'?";
  throw UsageError("no device \"{}\"{} (halftone devices lists them)", name, hint);
}

Device in_power_mode(Device device, const std::string& mode) {
  std::vector<std::string> names;
  for (const PowerMode& known : device.power_modes) names.push_back(known.name);
  const auto found = std::find(names.begin(), names.end(), mode);
  if (found == names.end()) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    throw UsageError("{} has no power mode \"{}\" (known: {})", device.name, mode,
                     list.empty() ? "none" : list);
  }
  const PowerMode& wanted = device.power_modes[static_cast<size_t>(found - names.begin())];
  const double sms = device.figure("sms").value_or(0), clock = device.figure("boost_mhz").value_or(0);
  double compute = 1;
  if (wanted.sms > 0 && sms > 0) compute *= wanted.sms / sms;
  if (wanted.gpu_mhz > 0 && clock > 0) compute *= wanted.gpu_mhz / clock;
  scale(device.peaks, compute);
  const double memory_clock = device.figure("memory_mhz").value_or(0);
  if (wanted.memory_mhz > 0 && memory_clock > 0) {
    scale_figure(device.figures, "bandwidth", wanted.memory_mhz / memory_clock);
    scale_figure(device.figures, "achievable_bandwidth", wanted.memory_mhz / memory_clock);
    scale_figure(device.figures, "memory_mhz", wanted.memory_mhz / memory_clock);
  }
  if (wanted.sms > 0 && sms > 0)
    for (const char* key : {"sms", "cuda_cores", "tensor_cores"})
      scale_figure(device.figures, key, wanted.sms / sms);
  if (wanted.gpu_mhz > 0 && clock > 0) scale_figure(device.figures, "boost_mhz", wanted.gpu_mhz / clock);
  device.title += " in power mode " + mode;
  return device;
}

}  // namespace halftone
