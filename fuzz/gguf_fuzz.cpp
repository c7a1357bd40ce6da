#include "base/error.h"
#include "formats/gguf.h"
#include "formats/gguf_type.h"
#include "memory_file.h"

namespace {

void load(const halftone::Constant& constant) {
  constant.load();
  if (constant.encoding()) constant.load_encoded("fuzz");
}

}  // namespace

/// Any bytes are a GGUF file or an error; its tensors can be loaded, alone and as a model's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  const MemoryFile memory(data, size);
  try {
    const GgufFile file(memory.path());
    for (const GgufTensor& tensor : file.tensors()) {
      const auto bytes = file.file()->bytes().subspan(tensor.begin, tensor.end - tensor.begin);
      try {
        load(ggml_constant(file.file(), *tensor.type, tensor.shape, bytes, {}, tensor.name));
      } catch (const Error&) {
      }
    }
    gguf_metadata_only(file);
    const Checkpoint checkpoint = gguf_checkpoint(file);
    for (const std::string& name : checkpoint.names()) load(checkpoint.constant(name));
  } catch (const Error&) {
  }
  return 0;
}
