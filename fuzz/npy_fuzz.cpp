#include "base/error.h"
#include "formats/npy.h"
#include "memory_file.h"

/// Any bytes are a .npy file whose numbers can be read, or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halftone;
  const MemoryFile file(data, size);
  try {
    const Tensor tensor = read_npy(file.path());
    if (is_float(tensor.dtype())) to_f32(tensor);
  } catch (const Error&) {
  }
  return 0;
}
