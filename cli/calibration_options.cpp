#include "cli/calibration_options.h"

#include <cmath>

#include "base/error.h"

namespace halftone::cli {

size_t parse_bytes(const std::string& text) {
  size_t end = 0;
  double number = 0;
  try {
    number = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  std::string unit = text.substr(end);
  if (unit.ends_with('B') || unit.ends_with('b')) unit.pop_back();
  const std::string units = "KMGT";
  const size_t power = unit.empty() ? 0 : units.find(static_cast<char>(std::toupper(unit.front()))) + 1;
  if (end == 0 || unit.size() > 1 || (power == 0 && !unit.empty()) || !(number >= 0) || number > 1e15)
    throw UsageError("--memory {}: expected a size such as 512M or 2G", text);
  return static_cast<size_t>(number * std::pow(1024.0, static_cast<double>(power)));
}

void CalibrationOptions::add_to(CLI::App& command) {
  command
      .add_option("--calib", path,
                  "Text to calibrate on: a file, or a folder of .txt and .jsonl files (\"text\" of each "
                  "line); for models of "
                  "pictures a folder of pictures")
      ->type_name("PATH");
  command
      .add_option("--input-list", input_list,
                  "Tensors to calibrate any graph on: a file with one run a line, NAME:=FILE ...")
      ->type_name("FILE");
  command
      .add_option_function<int>(
          "--calib-samples", [this](int count) { samples = text.samples = count; },
          "Samples drawn from it (default: 128 of a text, all pictures or tensors)")
      ->check(CLI::Range(1, 1 << 20));
  command
      .add_option("--calib-length", text.length,
                  "Tokens of a sample (0: 2048, or the context if that is less)")
      ->check(CLI::Range(0, 1 << 24));
  command.add_option("--seed", text.seed, "Seed of the draws")->capture_default_str();
  command
      .add_option_function<std::string>(
          "--memory", [this](const std::string& value) { memory = parse_bytes(value); },
          "Activations kept in memory, in bytes (512M, 2G); more go to a temporary file")
      ->default_str("2G")
      ->type_name("BYTES");
}

}  // namespace halftone::cli
