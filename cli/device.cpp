#include "cli/device.h"

#include "backend/cpu/cpu.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/device/host/host_device.h"
#include "base/error.h"
#include "cli/table.h"
#ifdef HALFTONE_CUDA
#include "backend/cuda/driver/gpu.h"
#endif

namespace halftone::cli {
namespace {

const Backend& cuda_on_host() {
  static cuda::HostDevice device;
  static const cuda::CudaBackend backend(device);
  return backend;
}

const Backend& gpu(const std::string& device, int number) {
#ifdef HALFTONE_CUDA
  if (const std::string trouble = cuda::gpu_trouble(); !trouble.empty())
    throw UnsupportedError("--device {}: {}", device, trouble);
  return cuda::gpu_backend(number);
#else
  throw UnsupportedError("--device {}: this build has no CUDA backend (docs/install.md)", device);
#endif
}

}  // namespace

const Backend* backend_for_device(const std::string& device) {
  if (device == "cpu") return &cpu_backend();
  if (device == "cuda-on-host") return &cuda_on_host();
  if (device == "cuda") return &gpu(device, 0);
  const std::string number = device.starts_with("cuda:") ? device.substr(5) : "";
  if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
    throw UsageError("--device {}: expected cpu, cuda, cuda:N or cuda-on-host", device);
  return &gpu(device, std::stoi(number));
}

bool built_with_cuda() {
#ifdef HALFTONE_CUDA
  return true;
#else
  return false;
#endif
}

std::vector<std::string> gpu_lines() {
#ifdef HALFTONE_CUDA
  if (const std::string trouble = cuda::gpu_trouble(); !trouble.empty()) return {"none: " + trouble};
  std::vector<std::string> lines;
  for (const cuda::GpuDescription& gpu : cuda::gpus()) {
    std::string library;
    try {
      library = cuda::gpu_library_trouble(cuda::open_gpu(static_cast<int>(lines.size())));
    } catch (const Error& trouble) {  // of this GPU: full, or another's alone
      lines.push_back(fmt::format("{}: {}", gpu.name, trouble.what()));
      continue;
    }
    lines.push_back(fmt::format("{}, compute capability {}.{}, {} multiprocessors, {}{}; cuBLASLt: {}",
                                gpu.name, gpu.compute / 10, gpu.compute % 10, gpu.multiprocessors,
                                bytes_text(static_cast<double>(gpu.memory_bytes)),
                                gpu.shares_host_memory ? " shared with the host" : "",
                                library.empty() ? "used for many rows" : library));
  }
  return lines;
#else
  return {"none: this build has no CUDA backend"};
#endif
}

}  // namespace halftone::cli
