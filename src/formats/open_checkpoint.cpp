#include "formats/checkpoint.h"
#include "formats/gguf.h"
#include "formats/hf_config.h"
#include "formats/packed/packed_format.h"
#include "formats/safetensors.h"

namespace halftone {

Checkpoint open_checkpoint(const fs::path& path) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  if (fs::is_directory(path)) {
    checkpoint.config = read_hf_config(path);
    checkpoint.generation_config = read_generation_config(path);
    add_safetensors_folder(checkpoint, path);
    return read_packed_layers(std::move(checkpoint));
  } else if (path.extension() == ".safetensors") {
    add_safetensors(checkpoint, path);
  } else if (path.extension() == ".gguf") {
    return gguf_checkpoint(GgufFile(path));
  } else {
    throw InputError("{}: expected a model folder, a .gguf or a .safetensors file", path.string());
  }
  return checkpoint;
}

}  // namespace halftone
