#include "backend/cuda/driver/cublas_lt.h"

#include <cstdint>
#include <dlfcn.h>
#include <vector>

#include "base/error.h"

namespace halftone::cuda {
namespace {

// Of cublasLt.h and library_types.h.
constexpr int kF32 = 0, kF16 = 2;  // cudaDataType_t
constexpr int kSumsOfF32 = 68;     // cublasComputeType_t
constexpr int32_t kTransposed = 1, kAsItIs = 0;
constexpr int kTransposeA = 3, kTransposeB = 4;  // cublasLtMatmulDescAttributes_t
constexpr int kMostWorkspace = 1, kLeastAlignmentC = 7,
              kLeastAlignmentD = 8;  // cublasLtMatmulPreferenceAttributes_t

constexpr size_t kMostPlans = 512;

/// cublasLtMatmulHeuristicResult_t, whose first part is the algorithm.
struct CublasLtAlgorithm {
  uint64_t algorithm[8];
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

}  // namespace

struct CublasLt::Functions {
#define HALFTONE_CUBLAS_LT(name, symbol, arguments) int(*name) arguments = nullptr;
#include "backend/cuda/driver/cublas_lt.inc"
#undef HALFTONE_CUBLAS_LT
  const char* (*status_text)(int status) = nullptr;

  void check(int status, const char* what) const {
    if (status != 0) throw UnsupportedError("cuBLASLt: {}: {}", what, status_text(status));
  }
};

/// One product's shapes and the algorithm for them.
struct CublasLt::Plan {
  Plan(const Functions& functions, void* handle, const HalfProduct& p) : f(functions) {
    try {
      // The library counts columns first: Y^T [n, m] = B [n, k] x A^T, rows of ours being its columns.
      f.check(f.create_operation(&operation, kSumsOfF32, kF32), "cublasLtMatmulDescCreate");
      f.check(f.set_operation(operation, kTransposeA, &kTransposed, sizeof(kTransposed)), "transa");
      f.check(f.set_operation(operation, kTransposeB, &kAsItIs, sizeof(kAsItIs)), "transb");
      const auto m = static_cast<uint64_t>(p.m), n = static_cast<uint64_t>(p.n),
                 k = static_cast<uint64_t>(p.k);
      f.check(f.create_layout(&b, kF16, k, n, p.k), "cublasLtMatrixLayoutCreate");
      f.check(f.create_layout(&a, kF16, k, m, p.k), "cublasLtMatrixLayoutCreate");
      f.check(f.create_layout(&y, kF32, n, m, p.y_step), "cublasLtMatrixLayoutCreate");
      f.check(f.create_preference(&preference), "cublasLtMatmulPreferenceCreate");
      const size_t workspace = kWorkspaceBytes;
      const uint32_t alignment = 16;
      f.check(f.set_preference(preference, kMostWorkspace, &workspace, sizeof(workspace)), "workspace");
      for (int which : {kLeastAlignmentC, kLeastAlignmentD})
        f.check(f.set_preference(preference, which, &alignment, sizeof(alignment)), "alignment");
      int count = 0;
      f.check(f.find_algorithm(handle, operation, b, a, y, y, preference, 1, &algorithm, &count),
              "cublasLtMatmulAlgoGetHeuristic");
      if (count == 0) throw UnsupportedError("cuBLASLt has no product of {} x {} x {}", p.m, p.n, p.k);
    } catch (...) {
      release();
      throw;
    }
  }
  ~Plan() { release(); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void release() {
    if (preference) f.destroy_preference(preference);
    for (void* layout : {a, b, y})
      if (layout) f.destroy_layout(layout);
    if (operation) f.destroy_operation(operation);
  }

  const Functions& f;
  void *operation = nullptr, *a = nullptr, *b = nullptr, *y = nullptr, *preference = nullptr;
  CublasLtAlgorithm algorithm{};
};

CublasLt::CublasLt(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}

CublasLt::~CublasLt() {
  plans_.clear();
  if (handle_) functions_->destroy(handle_);
}

std::unique_ptr<CublasLt> CublasLt::open(std::string& trouble) {
  void* library = nullptr;
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12"})
    if (!library) library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    trouble = "not installed (libcublasLt.so.13 or .12)";
    return nullptr;
  }
  auto functions = std::make_unique<Functions>();
  const auto find = [&](auto& function, const char* symbol) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(library, symbol));
    if (!function && trouble.empty()) trouble = fmt::format("it lacks {}", symbol);
  };
#define HALFTONE_CUBLAS_LT(name, symbol, arguments) find(functions->name, #symbol);
#include "backend/cuda/driver/cublas_lt.inc"
#undef HALFTONE_CUBLAS_LT
  find(functions->status_text, "cublasLtGetStatusString");
  if (!trouble.empty()) return nullptr;
  std::unique_ptr<CublasLt> made(new CublasLt(std::move(functions)));
  if (const int status = made->functions_->create(&made->handle_); status != 0) {
    trouble = fmt::format("it does not start: {}", made->functions_->status_text(status));
    made->handle_ = nullptr;
    return nullptr;
  }
  return made;
}

const CublasLt::Plan& CublasLt::plan(const HalfProduct& p) {
  const std::tuple key{p.m, p.n, p.k, p.y_step};
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  if (plans_.size() >= kMostPlans) plans_.clear();
  return plans_.try_emplace(key, *functions_, handle_, p).first->second;
}

void CublasLt::multiply(const HalfProduct& p, CUstream stream, std::byte* workspace) {
  const Plan& chosen = plan(p);
  const float one = 1, zero = 0;
  functions_->check(
      functions_->multiply(handle_, chosen.operation, &one, p.b, chosen.b, p.a, chosen.a, &zero, p.y,
                           chosen.y, p.y, chosen.y, &chosen.algorithm, workspace, kWorkspaceBytes, stream),
      "cublasLtMatmul");
}

}  // namespace halftone::cuda
