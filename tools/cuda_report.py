#!/usr/bin/env python3
"""What nvcc made of the kernels: registers, spills, occupancy, and the instructions that the fast ones live by.

cuda_report.py BUILD [--markdown] [--all] [--cuobjdump PATH]

Reads BUILD/src/backend/cuda/*.ptxas (and, where a cuobjdump is found, the *.fatbin beside them) and prints a line for each hot
kernel and architecture. Ends with 1 when a hot kernel spills, keeps a stack frame, is missing, lacks an instruction that it is
there for, or fits fewer blocks on a multiprocessor than its launch bounds and docs/benchmarks/cuda-kernels.md say.
cuobjdump is part of CUDA toolkits; PyPI has it as nvidia-cuda-cuobjdump (which needs nvidia-cuda-nvdisasm).
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

KB = 1024

# Of one multiprocessor (CUDA C++ Programming Guide, technical specifications for each compute capability): warps, blocks, shared
# memory, and the most that a block may have of it. Each block takes 1 KB more than it asks for.
CHIPS = {
    80: (64, 32, 164 * KB, 163 * KB),
    86: (48, 16, 100 * KB, 99 * KB),
    87: (48, 16, 164 * KB, 163 * KB),
    89: (48, 24, 100 * KB, 99 * KB),
    90: (64, 32, 228 * KB, 227 * KB),
}
REGISTERS = 65536
LARGE = (80, 87, 90)  # architectures whose shared memory the tiles are cut for; the others take what fits


def many(units, columns, tokens, stages=3, outputs=256, factor=1):
    """Shared bytes of many_tokens and wide_tokens: steps of `units` of 512 bytes a tile, or a tile of Y where it takes more."""
    return max(stages * (outputs // 16 * units * 512 + tokens * columns * 2 * factor), tokens * (outputs + 4) * 4)


def some(units, tokens, tiles, stages):
    """Of some_tokens: eight warps' steps of 64 columns."""
    return 64 * tiles + 8 * stages * (tiles * (units * 512 + 32) + 128 * tokens)


def prefill(dim, number_bytes):
    """paged_attention/attention_prefill_kernels.h"""
    tokens = 64 if dim <= 128 else 32
    return (64 + 3 * tokens) * 2 * dim + (8 * tokens if number_bytes == 1 else 0) + 16


def tiled(dim):
    """attention/tiled_attention_kernels.h: beyond 256 elements two tiles and four parts of each score"""
    return prefill(dim, 2) + 64 * 4 if dim <= 256 else 2 * 32 * 2 * dim + 32 * 4 * 32 * 4 + 16 + 32 * 4


def decode(dim, number_bytes):
    """paged_attention/attention_decode_kernels.h"""
    tile = 2 * 16 * dim * number_bytes
    ahead = min(4, 16 * KB // tile)
    return 32 * dim + 4 * ahead * tile + (4 * ahead * 2 * 16 * 4 if number_bytes == 1 else 0)


def hot_kernels():
    """name: (threads, shared bytes, blocks of the launch bounds, blocks claimed on 80, 87, 90, instructions it must have)."""
    hot = {}
    for kind in ('int4', 'int8', 'table4', 'e4m3', 'e5m2', 'f16'):
        hot[f'few_tokens_{kind}'] = (256, 8704, 2, (2, 2, 2), ('HMMA', 'LDG.128'))
    hot['few_tokens_split'] = (256, 2 * 8704, 2, (2, 2, 2), ('HMMA', 'LDG.128'))
    hot['few_tokens_int2'] = (256, 8704, 2, (2, 2, 2), ('HMMA', 'LDG.128'))
    hot['few_int_int8'] = (256, 16 * KB, 2, (2, 2, 2), ('IMMA', 'LDG.128'))
    hot['few_int_int4'] = (256, 16 * KB, 2, (2, 2, 2), ('IMMA', 'LDG.128'))
    hot['few_int_int2'] = (256, 16 * KB, 1, (1, 1, 1), ('IMMA', 'LDG.128'))
    tensor = ('HMMA', 'LDGSTS', 'LDS.128')
    for kind, units, tiles in (('int4', 1, 3), ('int8', 2, 2), ('half', 4, 1)):
        for tokens, stages in ((16, 3), (32, 2)):
            hot[f'some_tokens_{kind}_{tokens}'] = (256, some(units, tokens, tiles, stages), 1, (1, 1, 1), tensor)
    for kind, units, columns in (('int4', 2, 128), ('int8', 2, 64), ('half', 4, 64), ('table4', 2, 128), ('int2', 1, 128), ('e4m3', 2, 64),
                                 ('e5m2', 2, 64)):
        hot[f'many_tokens_{kind}_64'] = (256, many(units, columns, 64, 2), 1, (1, 1, 1), tensor)
    for kind, units in (('table4', 2), ('int2', 1)):
        hot[f'many_tokens_{kind}_16'] = (256, many(units, 128, 16), 2, (2, 2, 2), tensor)
    hot['many_tokens_split_64'] = (128, many(8, 64, 64, 2, 128, 2), 2, (1, 1, 2), tensor)
    hot['many_windows_64'] = (256, many(4, 64, 64, 2), 1, (1, 1, 1), tensor)
    for tokens in (64, 128):  # of compute capability 9.0 alone
        for kind, units, columns in (('int4', 2, 128), ('int8', 2, 64), ('half', 4, 64)):
            hot[f'wide_tokens_{kind}_{tokens}'] = (256, many(units, columns, tokens), 1, (0, 0, 1), ('HGMMA', 'LDGSTS', 'LDS.128'))
        hot[f'wide_windows_{tokens}'] = (256, many(4, 64, tokens), 1, (0, 0, 1), ('HGMMA', 'LDGSTS', 'LDS.128'))
    tensor = ('IMMA', 'LDGSTS')
    hot['many_int_int8_single'] = (128, 72 * KB, 3, (2, 2, 3), tensor)
    hot['many_int_int8'] = (128, 72 * KB, 2, (2, 2, 2), tensor)
    hot['many_int_int4'] = (128, 64 * KB, 2, (2, 2, 2), tensor)
    hot['many_int_int2'] = (128, 48 * KB, 2, (2, 2, 2), tensor)
    for dim, blocks in ((64, 3), (128, 3), (256, 2)):
        for kind in ('f16', 'bf16', 'int8'):
            size = 1 if kind == 'int8' else 2
            tensor = ('HMMA', 'LDGSTS', 'LDSM')
            hot[f'attention_prefill_{kind}_{dim}'] = (128, prefill(dim, size), blocks, (min(blocks, 2 if dim > 64 else 3),) * 2 + (blocks,), tensor)
            tensor = ('HMMA', 'LDGSTS', 'LDS.128')
            hot[f'attention_decode_{kind}_{dim}'] = (128, decode(dim, size), blocks, (3 if (kind, dim) == ('int8', 64) else 2,) * 2 + (blocks,), tensor)
    tensor = ('HMMA', 'LDGSTS', 'LDSM')
    for kind in ('f16', 'bf16'):
        for dim, blocks, masked in ((64, 3, 3), (128, 3, 2), (256, 2, 2), (512, 1, 1)):
            threads, shared = (256 if dim > 256 else 128), tiled(dim)
            hot[f'attention_tiles_{kind}_{dim}'] = (threads, shared, blocks, (min(blocks, 2),) * 2 + (blocks,), tensor)
            hot[f'attention_masked_tiles_{kind}_{dim}'] = (threads, shared, masked, (min(masked, 2),) * 2 + (masked,), tensor)
    for tile in (64, 32):
        for width in (4, 2, 1):
            hot[f'conv_f16_{tile}_v{width}'] = (128, tile * 176, 4, (4, 4, 4), ('HMMA',))
        for width in (8, 2, 1):
            for kind in ('of_f16', 'of_bf16'):
                hot[f'conv_{kind}_{tile}_v{width}'] = (128, tile * 176, 4, (4, 4, 4), ('HMMA',))
        for width in (16, 4, 1):
            blocks = 3 if (tile, width) == (64, 1) else 4
            for kind in ('s8', 'dynamic'):
                hot[f'conv_{kind}_{tile}_v{width}'] = (128, tile * 176, blocks, 3 * (blocks,), ('IMMA',))
    hot['mat_mul_kernel'] = (128, 0, 2, (2, 2, 2), ())
    for kind in ('f16', 'bf16'):
        hot[f'mat_mul_{kind}'] = (128, 19456, 4, (4, 4, 4), ('HMMA', 'LDSM'))
    return hot


def read_reports(build):
    """{(kernel, architecture): {registers, stack, spill, static shared memory}}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(build, 'src/backend/cuda/*.ptxas'))):
        key = None
        for line in open(path, encoding='utf-8', errors='replace'):
            if entry := re.search(r"Compiling entry function '(\w+)' for 'sm_(\d+)a?'", line):
                key = entry[1], int(entry[2])
                found[key] = {'module': os.path.basename(path).split('.')[0], 'stack': 0, 'spill': 0, 'registers': 0, 'static': 0}
            elif key and (frame := re.search(r'(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads', line)):
                found[key]['stack'] = int(frame[1])
                found[key]['spill'] = int(frame[2]) + int(frame[3])
            elif key and (used := re.search(r'Used (\d+) registers', line)):
                found[key]['registers'] = int(used[1])
                if smem := re.search(r'(\d+) bytes smem', line):
                    found[key]['static'] = int(smem[1])
    return found


def find_cuobjdump(given):
    if given:
        return given
    if on_path := shutil.which('cuobjdump'):
        return on_path
    for folder in sys.path:
        for tool in glob.glob(os.path.join(folder, 'nvidia/*/bin/cuobjdump')):
            return tool
    return None


INSTRUCTIONS = {'HMMA': r'\bHMMA\.', 'HGMMA': r'\bHGMMA\.', 'IMMA': r'\bIMMA\.', 'LDG.128': r'\bLDG\.E\S*\.128', 'LDGSTS': r'\bLDGSTS\.',
                'LDS.128': r'\bLDS\S*\.128', 'LDSM': r'\bLDSM\.', 'local': r'\b(LDL|STL)[. ]'}


def count_instructions(build, tool):
    """{(kernel, architecture): {instruction: how many}}"""
    patterns = {name: re.compile(pattern) for name, pattern in INSTRUCTIONS.items()}
    environment = dict(os.environ, PATH=os.path.dirname(tool) + os.pathsep + os.environ.get('PATH', ''))
    counts = {}
    for path in sorted(glob.glob(os.path.join(build, 'src/backend/cuda/*.fatbin'))):
        dump = subprocess.run([tool, '-sass', path], env=environment, capture_output=True, text=True, check=True).stdout
        architecture, of = 0, None
        for line in dump.splitlines():
            if arch := re.match(r'\s*arch = sm_(\d+)', line):
                architecture = int(arch[1])
            elif function := re.match(r'\s*Function : (\w+)', line):
                of = counts.setdefault((function[1], architecture), dict.fromkeys(patterns, 0))
            elif of is not None and line.lstrip().startswith('/*') and ';' in line:
                for name, pattern in patterns.items():
                    if pattern.search(line):
                        of[name] += 1
    return counts


def blocks_that_fit(architecture, threads, registers, shared):
    warps, blocks, all_shared, most_shared = CHIPS[architecture]
    if shared > most_shared:
        return 0
    of_block = threads // 32
    warp_registers = -(-registers * 32 // 256) * 256
    by_registers = REGISTERS // warp_registers // of_block
    return min(warps // of_block, blocks, by_registers, all_shared // (shared + KB))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('build', help='a build folder')
    parser.add_argument('--markdown', action='store_true', help='a line for each kernel, architectures side by side')
    parser.add_argument('--all', action='store_true', help='also kernels that are not hot (registers and spills)')
    parser.add_argument('--cuobjdump', help='the disassembler (default: on PATH or in this Python)')
    arguments = parser.parse_args()

    reports = read_reports(arguments.build)
    if not reports:
        sys.exit(f'cuda_report: no reports (*.ptxas) in {arguments.build}/src/backend/cuda')
    architectures = sorted({architecture for _, architecture in reports})
    tool = find_cuobjdump(arguments.cuobjdump)
    counts = count_instructions(arguments.build, tool) if tool else None
    if not tool:
        print('cuda_report: no cuobjdump found: instructions are not looked at', file=sys.stderr)

    troubles, rows = [], []
    hot = hot_kernels()
    for name, (threads, shared, bound, claimed, needs) in hot.items():
        for architecture in architectures:
            report = reports.get((name, architecture))
            where = f'{name} for {architecture}'
            if 'HGMMA' in needs and architecture != 90:
                continue
            if not report:
                troubles.append(f'{where}: is not there')
                continue
            fit = blocks_that_fit(architecture, threads, report['registers'], shared + report['static'])
            if report['spill'] or report['stack']:
                troubles.append(f"{where}: spills {report['spill']} bytes, stack frame of {report['stack']}")
            least = claimed[LARGE.index(architecture)] if architecture in LARGE else 1
            if fit < least:
                troubles.append(f'{where}: {fit} blocks fit on a multiprocessor, {least} are claimed')
            has = counts.get((name, architecture), {}) if counts is not None else {}
            if counts is not None:
                for need in needs:
                    if not has.get(need):
                        troubles.append(f'{where}: has no {need}')
                if has.get('local'):
                    troubles.append(f"{where}: touches local memory {has['local']} times")
            rows.append((name, architecture, threads, shared + report['static'], report, fit, has))
    for (name, architecture), report in sorted(reports.items()):
        if name not in hot and (report['spill'] or (counts is None and report['stack'])):
            print(f"note: {name} for {architecture}: spills {report['spill']} bytes, stack frame of {report['stack']}")

    columns = [name for name in INSTRUCTIONS if name != 'local'] if counts is not None else []
    if arguments.markdown:
        order = ' / '.join(str(a) for a in architectures)
        print(f'| kernel | threads | shared memory | registers {order} | warps an SM {order} | instructions ({architectures[-1]}) |')
        print('|---|---:|---:|---|---|---|')
        for name in hot:
            mine = [row for row in rows if row[0] == name]
            if not mine:
                continue
            has = mine[-1][6]
            instructions = ', '.join(f'{has[c]} {c}' for c in columns if has.get(c))
            print(f'| `{name}` | {mine[0][2]} | {mine[0][3] / KB:.1f} KB | {" / ".join(str(r[4]["registers"]) for r in mine)} | '
                  f'{" / ".join(str(r[5] * r[2] // 32) for r in mine)} | {instructions} |')
    else:
        print(f'{"kernel":32}{"arch":>5}{"threads":>8}{"shared":>8}{"regs":>5}{"spill":>6}{"blocks":>7}{"warps":>6}' +
              ''.join(f'{c:>9}' for c in columns))
        for name, architecture, threads, shared, report, fit, has in rows:
            print(f'{name:32}{architecture:>5}{threads:>8}{shared:>8}{report["registers"]:>5}{report["spill"]:>6}{fit:>7}'
                  f'{fit * threads // 32:>6}' + ''.join(f'{has.get(c, 0):>9}' for c in columns))
    if arguments.all:
        print()
        for (name, architecture), report in sorted(reports.items()):
            if name not in hot:
                print(f'{name:32}{architecture:>5}{"":16}{report["registers"]:>5}{report["spill"]:>6}')
    for trouble in troubles:
        print(f'cuda_report: {trouble}', file=sys.stderr)
    print(f'{len(rows)} hot kernels of {len(reports)} (each architecture counted): {len(troubles)} troubles', file=sys.stderr)
    return 1 if troubles else 0


if __name__ == '__main__':
    sys.exit(main())
