#include "formats/open_graph.h"

#include "base/error.h"
#include "formats/halftone_folder.h"

namespace halftone {

bool is_onnx_file(const fs::path& path) {
  return path.extension() == ".onnx";
}

Graph open_graph(const fs::path& path, const OnnxImportOptions& options) {
  if (is_onnx_file(path)) return import_onnx(path, options);
  if (is_halftone_folder(path)) return load_halftone(path).graph;
  throw InputError("{}: expected an .onnx file or a Halftone folder", path.string());
}

}  // namespace halftone
