#include "cli/export_formats.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/suggest.h"
#include "formats/packed/write_packed.h"
#include "llm/check_export.h"

namespace halftone::cli {
namespace {

Graph read_back(const ExportJob& job) {
  try {
    return check_export(job.graph, job.output);
  } catch (...) {
    fs::remove_all(job.output);
    throw;
  }
}

ExportReport write_packed_folder(const PackedWriter& writer, const ExportJob& job) {
  const PackedExport packed = write_packed(job.graph, writer, job.output, job.companions, job.progress);
  return {packed.encoding, packed.packed, packed.kept, {}, read_back(job)};
}

ExportFormat packed_format(const PackedWriter& writer) {
  return {std::string(writer.name), std::string(writer.description),
          [&writer](const Graph& graph) { check_packable(graph, writer); },
          [&writer](const ExportJob& job) { return write_packed_folder(writer, job); }};
}

std::vector<ExportFormat> make_formats() {
  std::vector<ExportFormat> formats;
  for (const PackedWriter& writer : packed_writers()) formats.push_back(packed_format(writer));
  return formats;
}

}  // namespace

std::span<const ExportFormat> export_formats() {
  static const std::vector<ExportFormat> formats = make_formats();
  return formats;
}

const ExportFormat& find_export_format(const std::string& name) {
  std::vector<std::string> names;
  for (const ExportFormat& format : export_formats()) {
    if (format.name == name) return format;
    names.push_back(format.name);
  }
  throw UsageError("unknown format \"{}\"{}", name, did_you_mean(name, names));
}

std::string export_format_names() {
  std::string names;
  for (const ExportFormat& format : export_formats())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", format.name);
  return names;
}

std::string export_summary(const ExportReport& report, const std::string& format) {
  return fmt::format("{} layers as {} in {}, {} in floating point ({}); read back and found equal",
                     report.packed.size(), report.encoding, format, report.kept.size(),
                     fmt::join(report.kept, ", "));
}

}  // namespace halftone::cli
