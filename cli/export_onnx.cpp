#include "cli/export_onnx.h"

#include "base/error.h"
#include "base/write_file.h"
#include "formats/onnx/import_onnx.h"
#include "formats/onnx/onnx_export.h"
#include "formats/onnx/write_onnx.h"
#include "vision/preprocess/find_preprocess.h"

namespace halftone::cli {
namespace {

/// So that the file sees the same pictures: NAME.preprocess.json beside it, where the model has one.
void write_preprocess(const ExportJob& job) {
  std::string text;
  for (const CompanionFile& file : job.companions) {
    if (file.name == "preprocess.json") text = file.content;
    if (file.name == "preprocessor_config.json" && text.empty())
      text = preprocess_from_hf(parse_json(file.content, file.name), file.name).dump(2) + "\n";
  }
  if (text.empty()) return;
  write_file(fs::path(job.output).replace_extension(".preprocess.json"), text);
}

ExportReport write_model(const ExportJob& job, bool pairs) {
  const OnnxExport exported = export_onnx(job.graph, {.pairs = pairs, .tensorrt = job.target == "tensorrt"});
  write_onnx(exported.graph, job.output, HALFTONE_VERSION);
  write_preprocess(job);

  ExportReport report;
  report.encoding = "int8 per-channel";
  report.packed = exported.integers;
  report.packed.insert(report.packed.end(), exported.weights_only.begin(), exported.weights_only.end());
  report.kept = exported.floating;
  report.remarks.push_back(fmt::format("operator set {}", onnx_opset(exported.graph)));
  if (pairs)
    report.remarks.push_back(
        fmt::format("{} layers read and make codes, of {} only the weights are integers; {} values are "
                    "rounded to codes",
                    exported.integers.size(), exported.weights_only.size(), exported.pairs));
  report.read_back = import_onnx(job.output);
  report.checked = "read back";
  return report;
}

ExportFormat onnx_format(const std::string& name, const std::string& description, bool pairs) {
  ExportFormat format;
  format.name = name;
  format.description = description;
  format.check = [pairs](const ExportJob& job) { export_onnx(job.graph, {.pairs = pairs}); };
  format.write = [pairs](const ExportJob& job) { return write_model(job, pairs); };
  format.any_graph = true;
  format.extension = ".onnx";
  if (pairs) format.targets = {"tensorrt"};
  return format;
}

}  // namespace

std::vector<ExportFormat> onnx_formats() {
  return {
      onnx_format("onnx-qdq", "onnxruntime, TensorRT and others: QuantizeLinear and DequantizeLinear", true),
      onnx_format("onnx", "whatever reads ONNX: in floating point", false)};
}

}  // namespace halftone::cli
