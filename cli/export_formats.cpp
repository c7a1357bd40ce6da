#include "cli/export_formats.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"
#include "base/suggest.h"
#include "base/write_file.h"
#include "cli/export_onnx.h"
#include "formats/hf_config.h"
#include "formats/packed/write_packed.h"
#include "llm/check_export.h"
#include "llm/export_gguf.h"
#include "quant/encodings/encoding_file.h"

namespace halftone::cli {
namespace {

ExportReport write_packed_folder(const PackedWriter& writer, const ExportJob& job) {
  ExportReport report;
  const PackedExport packed =
      write_packed(job.graph, writer, job.output, job.companions, job.progress,
                   [&](const fs::path& folder) { report.read_back = check_export(job.graph, folder); });
  report.encoding = packed.encoding;
  report.packed = packed.packed;
  report.kept = packed.kept;
  return report;
}

ExportFormat packed_format(const PackedWriter& writer) {
  return {std::string(writer.name),
          std::string(writer.description),
          {},
          [&writer](const ExportJob& job) {
            check_packable(job.graph, writer);
            check_packed_target(job.output);
          },
          [&writer](const ExportJob& job) { return write_packed_folder(writer, job); }};
}

GgufExport plan_of(const ExportJob& job) {
  if (fs::is_directory(job.output))
    throw UsageError("-o {}: a folder, but GGUF is one file", job.output.string());
  const auto config = std::ranges::find(job.companions, "config.json", &CompanionFile::name);
  if (config == job.companions.end()) throw InputError("{}: no config.json", job.source.string());
  return plan_gguf(job.graph, parse_hf_config(config->content, config->name), job.type);
}

/// The model in a file that nobody has checked yet; the file goes where that finds something.
Graph read_back(const Graph& graph, const fs::path& unchecked) {
  try {
    return check_export(graph, unchecked);
  } catch (...) {
    fs::remove(unchecked);
    throw;
  }
}

ExportReport write_gguf_file(const ExportJob& job) {
  GgufExport plan = plan_of(job);
  const fs::path unchecked = job.output.string() + ".unchecked.gguf";
  write_gguf(plan, job.source, job.companions, unchecked, job.progress);
  ExportReport report;
  for (const auto& [type, count] : plan.types)
    report.encoding += fmt::format("{}{} ({})", report.encoding.empty() ? "" : ", ", type, count);
  for (const Value& value : plan.graph.values())
    if (value.constant && value.name.ends_with(".weight") && value.type.shape.rank() > 1)
      (value.constant->encoding() ? report.packed : report.kept)
          .push_back(value.name.substr(0, value.name.rfind('.')));
  report.remarks = std::move(plan.remarks);
  report.read_back = read_back(plan.graph, unchecked);
  fs::rename(unchecked, job.output);
  return report;
}

ExportReport write_encodings(const ExportJob& job) {
  const OrderedJson json = encodings_json(job.graph);
  write_file(job.output, json.dump(1) + "\n");
  ExportReport report;
  report.remarks.push_back(fmt::format("scales of {} activations and {} weights",
                                       json["activation_encodings"].size(), json["param_encodings"].size()));
  report.read_back = job.graph;
  report.checked = "written";
  return report;
}

ExportFormat encodings_format() {
  ExportFormat format;
  format.name = "encodings";
  format.description = "the scales alone, as JSON (QNN's and AIMET's form)";
  format.check = [](const ExportJob&) {};
  format.write = write_encodings;
  format.any_graph = true;
  format.extension = ".json";
  return format;
}

std::vector<ExportFormat> make_formats() {
  std::vector<ExportFormat> formats;
  for (const PackedWriter& writer : packed_writers()) formats.push_back(packed_format(writer));
  formats.push_back({"gguf", "one GGUF file (llama.cpp and what is built on it)", written_ggml_types(),
                     [](const ExportJob& job) { plan_of(job); }, write_gguf_file});
  for (ExportFormat& format : onnx_formats()) formats.push_back(std::move(format));
  formats.push_back(encodings_format());
  return formats;
}

}  // namespace

std::span<const ExportFormat> export_formats() {
  static const std::vector<ExportFormat> formats = make_formats();
  return formats;
}

const ExportFormat& find_export_format(const std::string& name, const std::string& type) {
  std::vector<std::string> names;
  for (const ExportFormat& format : export_formats()) {
    names.push_back(format.name);
    if (format.name != name) continue;
    if (!type.empty() && std::ranges::find(format.types, type) == format.types.end())
      throw UsageError("--type {}: {}", type,
                       format.types.empty() ? fmt::format("{} has no types to choose from", name)
                                            : fmt::format("{} has {}", name, fmt::join(format.types, ", ")));
    return format;
  }
  throw UsageError("unknown format \"{}\"{}", name, did_you_mean(name, names));
}

void check_export_names(const ExportFormat& format, const fs::path& output, const std::string& target) {
  if (!format.extension.empty() && output.extension() != format.extension)
    throw UsageError("-o {}: {} writes a file whose name ends in {}", output.string(), format.name,
                     format.extension);
  if (target.empty() || std::ranges::find(format.targets, target) != format.targets.end()) return;
  if (format.targets.empty())
    throw UsageError("--target {}: {} is the same for all targets", target, format.name);
  throw UsageError("--target {}: {} knows {}", target, format.name, fmt::join(format.targets, ", "));
}

std::string export_format_names() {
  std::string names;
  for (const ExportFormat& format : export_formats())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", format.name);
  return names;
}

std::string export_summary(const ExportReport& report, const std::string& format) {
  constexpr size_t kListed = 8;
  std::string text = report.packed.empty() ? format
                                           : fmt::format("{} layers as {} in {}", report.packed.size(),
                                                         report.encoding, format);
  if (!report.kept.empty()) text += fmt::format(", {} in floating point", report.kept.size());
  if (!report.kept.empty() && report.kept.size() <= kListed)
    text += fmt::format(" ({})", fmt::join(report.kept, ", "));
  return text + "; " + report.checked;
}

}  // namespace halftone::cli
