#include "backend/cpu/cpu.h"

#include <vector>

namespace halftone {
namespace cpu {
#define HALFTONE_CPU_KERNEL(name) extern const Kernel name;
#include "backend/cpu/kernels.inc"
#undef HALFTONE_CPU_KERNEL
}  // namespace cpu

namespace {

class CpuBackend : public Backend {
 public:
  std::string_view name() const override { return "cpu"; }
  std::span<const Kernel> kernels() const override { return kernels_; }

 private:
  const std::vector<Kernel> kernels_ = {
#define HALFTONE_CPU_KERNEL(name) cpu::name,
#include "backend/cpu/kernels.inc"
#undef HALFTONE_CPU_KERNEL
  };
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace halftone
