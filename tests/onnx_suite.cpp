#include "onnx_suite.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "formats/onnx/import_onnx.h"
#include "formats/onnx/onnx_tensor.h"
#include "ops/elementwise.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

constexpr const char* kUnpackedData = "backend/test/data";

/// Several test programs may start at once: each unpacks aside and the first one's folder stays.
fs::path unpacked() {
  const fs::path archive = shared_path("onnx-node-tests.tar.gz");
  if (!fs::exists(archive)) return {};
  const fs::path target = fs::path(HALFTONE_BINARY_DIR) / "onnx-node-tests";
  if (fs::exists(target)) return target / kUnpackedData;
  const fs::path aside = target.string() + "." + std::to_string(::getpid());
  fs::create_directories(aside);
  const std::string command =
      "tar -xzf '" + archive.string() + "' --strip-components=1 -C '" + aside.string() + "'";
  if (std::system(command.c_str()) != 0) throw InputError("{}: tar cannot unpack it", archive.string());
  std::error_code taken;
  fs::rename(aside, target, taken);
  if (taken) fs::remove_all(aside);
  return target / kUnpackedData;
}

std::string_view text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

OnnxModel read_model(const MappedFile& file) {
  return parse_onnx(text(file), file.path().string());
}

std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& stem) {
  std::vector<Tensor> tensors;
  for (int n = 0;; ++n) {
    const fs::path path = folder / (stem + "_" + std::to_string(n) + ".pb");
    if (!fs::exists(path)) return tensors;
    const auto file = MappedFile::open(path);
    tensors.push_back(OnnxTensorReader(file).constant(parse_onnx_tensor(text(*file), path.string())).load());
  }
}

double element(const TensorView& tensor, int64_t i) {
  if (tensor.dtype == DType::boolean) return tensor.span<bool>()[static_cast<size_t>(i)] ? 1 : 0;
  double value = 0;
  visit_number(tensor.dtype, [&](auto zero) {
    value = static_cast<double>(widen(tensor.span<decltype(zero)>()[static_cast<size_t>(i)]));
  });
  return value;
}

std::string difference(const TensorView& found, const TensorView& expected) {
  if (found.dtype != expected.dtype || !(found.shape == expected.shape))
    return fmt::format("expected {} {}, found {} {}", dtype_name(expected.dtype), expected.shape.str(),
                       dtype_name(found.dtype), found.shape.str());
  for (int64_t i = 0, count = expected.shape.elements(); i < count; ++i) {
    const double x = element(found, i), y = element(expected, i);
    const bool same = x == y || (std::isnan(x) && std::isnan(y));
    if (!same && !(std::abs(x - y) <= 1e-7 + 1e-3 * std::abs(y)))
      return fmt::format("element {}: expected {}, found {}", i, y, x);
  }
  return "";
}

std::string run_data_set(const OnnxCase& test, const fs::path& data, bool frozen, const Backend* backend,
                         ThreadPool& threads) {
  const auto file = MappedFile::open(test.folder / "model.onnx");
  const OnnxModel model = read_model(*file);
  const std::vector<Tensor> given = read_tensors(data, "input");
  const std::vector<Tensor> expected = read_tensors(data, "output");
  OnnxImportOptions options;
  std::map<std::string, TensorView> inputs;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string name(model.graph.inputs.at(i).name);
    if (frozen && i > 0)
      options.constants[name] = given[i];
    else
      inputs[name] = given[i].view();
  }
  CompileOptions compile_options;
  compile_options.backend = backend;
  Session session(compile(import_onnx(test.folder / "model.onnx", options), compile_options, threads),
                  threads);
  session.run(inputs);
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string name(model.graph.outputs.at(i).name);
    const std::string wrong = difference(session.output(name), expected[i].view());
    if (!wrong.empty()) return fmt::format("output {}: {}", name, wrong);
  }
  return "";
}

}  // namespace

const std::vector<OnnxCase>& onnx_suite() {
  static const std::vector<OnnxCase> cases = [] {
    std::vector<OnnxCase> found;
    const fs::path root = unpacked();
    if (root.empty()) return found;
    for (const fs::directory_entry& kind : fs::directory_iterator(root))
      for (const fs::directory_entry& test : fs::directory_iterator(kind.path()))
        if (fs::exists(test.path() / "model.onnx"))
          found.push_back(
              {kind.path().filename().string() + "/" + test.path().filename().string(), test.path()});
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
  }();
  return cases;
}

std::vector<std::string> onnx_operators(const OnnxCase& test) {
  const auto file = MappedFile::open(test.folder / "model.onnx");
  std::set<std::string> names;
  for (const OnnxNode& node : read_model(*file).graph.nodes) names.insert(std::string(node.op));
  return {names.begin(), names.end()};
}

std::string run_onnx_case(const OnnxCase& test, bool frozen, const Backend* backend, ThreadPool& threads) {
  try {
    if (!frozen)
      import_onnx(test.folder / "model.onnx");  // what the model lacks comes before what its data lacks
    for (int n = 0;; ++n) {
      const fs::path data = test.folder / ("test_data_set_" + std::to_string(n));
      if (!fs::exists(data)) return n > 0 ? "" : "no data";
      const std::string wrong = run_data_set(test, data, frozen, backend, threads);
      if (!wrong.empty()) return wrong;
    }
  } catch (const std::exception& error) {
    std::string message = error.what();
    const std::string path = (test.folder / "model.onnx").string() + ": ";
    if (message.compare(0, path.size(), path) == 0) message.erase(0, path.size());
    return message;
  }
}

}  // namespace halftone
