#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// A number of the device database, with where it comes from. Nothing: unknown, since no source was at hand.
struct Figure {
  std::optional<double> value;
  std::string source;  ///< key into Device::sources
};

struct FigureSource {
  std::string title;
  std::string kind;  ///< "datasheet", "measurement", "derived" or "stated"
};

/// A setting that trades speed for power. What is not given stays as it is.
struct PowerMode {
  std::string name;
  double sms = 0;
  double gpu_mhz = 0;
  double memory_mhz = 0;
};

enum class DeviceKind { gpu, cpu };

/// A place to run a model, as data/devices/NAME.json tells it. Figures are in bytes, bytes a second, MHz,
/// watts; peaks in operations a second, dense, a multiply-add counting as two. docs/planner.md lists the
/// keys.
struct Device {
  std::string name;
  std::string title;
  std::string memory_kind;
  DeviceKind kind = DeviceKind::gpu;
  bool unified_memory = false;
  std::vector<std::pair<std::string, Figure>> figures;
  std::vector<std::pair<std::string, Figure>> peaks;          ///< "int8_acc32": format and accumulator
  std::vector<std::pair<std::string, Figure>> quoted_sparse;  ///< as advertised, with structured sparsity
  /// Bytes read in turn, and the bytes a second that they are read at, where this was measured: caches and
  /// memory, smallest first. Empty: one bandwidth for all.
  std::vector<std::pair<double, double>> bandwidth_by_size{};
  std::vector<PowerMode> power_modes;
  std::vector<std::string> notes;
  std::map<std::string, FigureSource> sources;

  std::optional<double> figure(std::string_view key) const;
  std::optional<double> peak(std::string_view key) const;
  /// threads_per_sm * sms.
  std::optional<double> threads() const;
  /// Operations that the device can do in the time it takes to read one byte.
  std::optional<double> flops_per_byte(std::string_view peak_key) const;
};

/// Parses one file of the database. Throws InputError for anything that is not as it should be; `source`
/// names the file.
Device parse_device(std::string_view text, const std::string& source);

/// The database, by name.
const std::vector<Device>& devices();

/// Throws UsageError for an unknown name, with the nearest.
const Device& find_device(std::string_view name);

/// The device in that mode: compute scales with SMs and clock, bandwidth with the memory clock. Throws
/// UsageError for a mode it has not.
Device in_power_mode(Device device, const std::string& mode);

}  // namespace halftone
