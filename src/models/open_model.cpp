#include "models/open_model.h"

#include "formats/halftone_folder.h"
#include "models/vision_model.h"

namespace halftone {

Graph open_model_graph(const fs::path& path, const OnnxImportOptions& options) {
  if (fs::is_directory(path) && !is_halftone_folder(path)) return build_vision_model(open_checkpoint(path));
  return open_graph(path, options);
}

}  // namespace halftone
