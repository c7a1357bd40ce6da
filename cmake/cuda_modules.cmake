# Where a CUDA toolkit (12.2 or later) is found: compiles ${device_sources} into one fat binary a file, embeds them, and adds the
# library halftone_cuda_driver.
find_package(CUDAToolkit 12.2 QUIET)
if(NOT CUDAToolkit_FOUND)
  message(STATUS "CUDA 12.2 or later: not found; no CUDA backend")
  return()
endif()
list(JOIN HALFTONE_CUDA_ARCHITECTURES ", " text)
message(STATUS "CUDA ${CUDAToolkit_VERSION}: backend for compute capability ${text}")

# One PTX for each generation (no kernel uses what only some chips of one have), so that nvcc reads a source twice and not five
# times. The newest PTX goes along: chips newer than the list compile it at their first start.
list(SORT HALFTONE_CUDA_ARCHITECTURES COMPARE NATURAL)
set(generations "")
foreach(architecture ${HALFTONE_CUDA_ARCHITECTURES})
  string(REGEX REPLACE ".$" "" generation ${architecture})
  if(NOT generation IN_LIST generations)
    list(APPEND generations ${generation})
    set(ptx_${generation} compute_${architecture})
    set(binaries_${generation} "")
  endif()
  list(APPEND binaries_${generation} sm_${architecture})
  set(newest ${generation})
endforeach()
list(APPEND binaries_${newest} ${ptx_${newest}})
set(targets "")
foreach(generation ${generations})
  list(JOIN binaries_${generation} "," codes)
  list(APPEND targets -gencode "arch=${ptx_${generation}},code=[${codes}]")
endforeach()

if(NOT 90 IN_LIST HALFTONE_CUDA_ARCHITECTURES)
  set_source_files_properties(gemm/many_product.cpp PROPERTIES COMPILE_DEFINITIONS HALFTONE_NO_WARPGROUPS)
endif()

set(assembly "    .section .rodata\n")
set(table "")
set(declarations "")
foreach(source ${device_sources})
  get_filename_component(module ${source} NAME_WE)
  set(binary ${CMAKE_CURRENT_BINARY_DIR}/${module}.fatbin)
  # Instructions of one chip alone, which no PTX for later ones may have.
  set(source_targets ${targets})
  if(module MATCHES "_90a$")
    if(NOT 90 IN_LIST HALFTONE_CUDA_ARCHITECTURES)
      continue()
    endif()
    set(source_targets -gencode "arch=compute_90a,code=sm_90a")
  endif()
  add_custom_command(
    OUTPUT ${binary}
    COMMAND ${PROJECT_SOURCE_DIR}/cmake/nvcc.sh ${binary}.ptxas ${CUDAToolkit_NVCC_EXECUTABLE} -fatbin -std=c++20 -O3 ${source_targets} -I${PROJECT_SOURCE_DIR}/src -Xptxas -v
            -MD -MF ${binary}.d -MT ${binary} -o ${binary} ${source}
    DEPENDS ${source} DEPFILE ${binary}.d VERBATIM
    COMMENT "Compiling ${module} for CUDA")
  list(APPEND binaries ${binary})
  string(APPEND assembly "    .balign 64\nhalftone_module_${module}:\n    .incbin \"${binary}\"\n    .global halftone_module_${module}\n")
  string(APPEND declarations "extern const unsigned char halftone_module_${module}[];\n")
  string(APPEND table "    {\"${module}\", halftone_module_${module}},\n")
endforeach()
set(blob ${CMAKE_CURRENT_BINARY_DIR}/modules.S)
file(GENERATE OUTPUT ${blob} CONTENT "${assembly}    .section .note.GNU-stack,\"\",%progbits\n")
set(list ${CMAKE_CURRENT_BINARY_DIR}/modules.cpp)
file(GENERATE OUTPUT ${list} CONTENT
"#include \"backend/cuda/driver/modules.h\"\n\nextern \"C\" {\n${declarations}}\n\nnamespace halftone::cuda {\nconst DeviceModule kDeviceModules[] = {\n${table}    {nullptr, nullptr}};\n}  // namespace halftone::cuda\n")
enable_language(ASM)
set_source_files_properties(${blob} PROPERTIES OBJECT_DEPENDS "${binaries}" GENERATED ON)
set_source_files_properties(${list} PROPERTIES GENERATED ON)
file(GLOB driver_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/driver/*.cpp)
add_library(halftone_cuda_driver STATIC ${driver_sources} ${list} ${blob})
target_link_libraries(halftone_cuda_driver PUBLIC halftone_backend_cuda PRIVATE ${CMAKE_DL_LIBS})
target_include_directories(halftone_cuda_driver SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_compile_definitions(halftone_cuda_driver INTERFACE HALFTONE_CUDA)
