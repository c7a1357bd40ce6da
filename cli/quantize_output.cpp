#include "cli/quantize_output.h"

#include <algorithm>

#include "base/error.h"
#include "cli/export_formats.h"
#include "formats/halftone_target.h"

namespace halftone::cli {

void check_format(const QuantizeCommand& command, Graph graph, const Recipe& recipe,
                  const std::vector<CompanionFile>& companions) {
  if (command.format.empty()) {
    if (!command.target.empty())
      throw UsageError("--target {}: it says something to --format only", command.target);
    if (!command.output.empty()) check_halftone_target(command.output);
    return;
  }
  const ExportFormat& format = find_export_format(command.format);
  check_export_names(format, command.output, command.target);
  QuantizeOptions options;
  options.encodings_only = true;
  quantize_graph(graph, recipe, options);
  format.check({graph, companions, command.model, {}, command.output});
}

void write_quantized(const QuantizeCommand& command, Receipt& receipt, Graph& graph,
                     const std::vector<CompanionFile>& companions, Progress& progress) {
  const SaveProgress tell = [&](double done, double total, const std::string&) {
    progress.update(static_cast<int64_t>(done), static_cast<int64_t>(total));
  };
  if (command.format.empty())
    return save_halftone(graph, command.output,
                         {command.model, receipt.recipe, "halftone " HALFTONE_VERSION, {}}, companions, tell);
  ExportReport report =
      find_export_format(command.format)
          .write({graph, companions, command.model, {}, command.output, tell, command.target});
  receipt.remarks.push_back(export_summary(report, command.format));
  std::ranges::move(report.remarks, std::back_inserter(receipt.remarks));
  graph = std::move(report.read_back);
}

}  // namespace halftone::cli
