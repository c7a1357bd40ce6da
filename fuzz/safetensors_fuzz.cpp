#include "base/error.h"
#include "formats/safetensors.h"
#include "memory_file.h"

/// Any bytes are a safetensors file or an error; its tensors can be loaded.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  const MemoryFile file(data, size);
  try {
    Checkpoint checkpoint;
    add_safetensors(checkpoint, file.path());
    for (const std::string& name : checkpoint.names()) {
      const Tensor tensor = checkpoint.constant(name).load();
      if (is_float(tensor.dtype())) to_f32(tensor);
    }
  } catch (const Error&) {
  }
  return 0;
}
