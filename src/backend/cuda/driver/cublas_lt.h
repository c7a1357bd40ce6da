#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "backend/cuda/driver/driver.h"
#include "backend/cuda/launch.h"

namespace halftone::cuda {

/// NVIDIA's matrix products, where the library is installed (libcublasLt.so.13 or .12): opened at run time
/// like the driver, and declared here so that no toolkit's header is needed. Works in the current context.
class CublasLt {
 public:
  /// Null where it is missing or does not start; `trouble` then says why.
  static std::unique_ptr<CublasLt> open(std::string& trouble);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  /// Of the memory that multiply() is to be given, 256-byte aligned.
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;
  /// Launches alone. Throws UnsupportedError in the library's own words.
  void multiply(const HalfProduct& product, CUstream stream, std::byte* workspace);

 private:
  struct Functions;
  struct Plan;
  explicit CublasLt(std::unique_ptr<Functions> functions);
  const Plan& plan(const HalfProduct& product);

  std::unique_ptr<Functions> functions_;
  void* handle_ = nullptr;
  std::map<std::tuple<int, int, int, int64_t>, Plan> plans_;  ///< by m, n, k, y_step
};

}  // namespace halftone::cuda
