// What a translated kernel runs on: a launch, a program of it, and memory
// that is checked at every access.
//
// Global memory: each address lies in a tensor that was handed over, aligned
// to its access, and programs share nothing that one of them writes. Shared
// memory: each byte was written before it is read, and a barrier lies between
// the accesses of two threads one of which writes. Per place only the last
// reader and the last writer are remembered, so that a race may escape; what
// is reported is one, except that global memory is watched two bytes at a
// time: programs that write neighbouring bytes are reported too.
#pragma once

#include <cstdio>
#include <vector>

#include "vectors.h"

// The memory of a tensor, and who touched it: program + 1 per two bytes.
struct Range {
  uint64_t begin, end;
  uint32_t *writers, *readers;
};

// launch.py mirrors `Range`, `Launch` and `Report`.
struct Launch {
  const Range* ranges;
  const uint64_t* parameters;
  int32_t range_count;
  int32_t check_races;
  int32_t grid[3];
  int32_t warps;         // per program
  int32_t shared_bytes;  // per program
  int32_t exp2_error;    // Exp2Error
  uint32_t seed;         // of that and of the order in which warps run
  int32_t threads;       // of the CPU
};

constexpr int MESSAGE = 512;

struct Report {
  uint64_t instructions;  // of all warps
  // Bytes of shared memory that lanes wrote in one instruction with
  // different values. Lanes that hold copies of one sum may differ in its
  // last bit, as they add in different orders.
  uint64_t replica_bytes_differ;
  int32_t errors;
  char message[MESSAGE];  // of the first error
};

// Who touched a byte of shared memory last: thread + 1, and when.
struct Access {
  uint32_t thread, program_epoch, warp_epoch;
};
struct SharedByte {
  Access write, read;
  uint32_t store;
};

// One program, as it runs.
struct Program {
  const Launch* launch;
  uint32_t number;
  int32_t id[3];
  std::vector<uint8_t> shared;
  std::vector<SharedByte> shared_bytes;
  // Barriers passed, of the program and of each warp: an access is ordered
  // before another if the epoch has changed between them.
  uint32_t epoch = 1;
  std::vector<uint32_t> warp_epochs;
  uint32_t stores = 1;
  const Range* last_range = nullptr;
  uint64_t instructions = 0, replica_bytes_differ = 0;
  int32_t errors = 0;
  char message[MESSAGE] = {};

  Program(const Launch* launch, long number)
      : launch(launch),
        number(number),
        shared(launch->shared_bytes, 0xff),
        shared_bytes(launch->shared_bytes),
        warp_epochs(launch->warps, 1) {
    const int32_t* grid = launch->grid;
    id[0] = number % grid[0];
    id[1] = number / grid[0] % grid[1];
    id[2] = number / ((long)grid[0] * grid[1]);
  }
};

// Remembers the first error; `line` is one of the kernel's Python file.
static void fail(Program& p, int line, const char* format, long a = 0,
                 long b = 0) {
  if (p.errors++) return;
  const int used = snprintf(p.message, MESSAGE, "line %d: ", line);
  snprintf(p.message + used, MESSAGE - used, format, a, b);
}

static inline const Range* find_range(Program& p, uint64_t address, int size) {
  const auto holds = [=](const Range& range) {
    return address >= range.begin && address + size <= range.end;
  };
  if (p.last_range && holds(*p.last_range)) return p.last_range;
  for (int i = 0; i < p.launch->range_count; i++)
    if (holds(p.launch->ranges[i])) return p.last_range = p.launch->ranges + i;
  return nullptr;
}

// The place of `size` bytes in the lists of a range.
struct Halves {
  uint64_t begin, end;
  Halves(const Range& range, uint64_t address, int size)
      : begin((address - range.begin) / 2),
        end((address - range.begin + size + 1) / 2) {}
};

static inline void note_global_load(Program& p, const Range& range,
                                    uint64_t address, int size, int line) {
  const Halves place(range, address, size);
  for (uint64_t i = place.begin; i < place.end; i++) {
    const uint32_t writer = range.writers[i];
    if (writer && writer != p.number + 1)
      fail(p, line, "a program reads what program %ld wrote", writer - 1);
    range.readers[i] = p.number + 1;
  }
}

static inline void note_global_store(Program& p, const Range& range,
                                     uint64_t address, int size, int line) {
  const Halves place(range, address, size);
  for (uint64_t i = place.begin; i < place.end; i++) {
    const uint32_t writer = range.writers[i], reader = range.readers[i];
    if (writer && writer != p.number + 1)
      fail(p, line, "two programs write one place, the other is %ld",
           writer - 1);
    if (reader && reader != p.number + 1)
      fail(p, line, "a program overwrites what program %ld read", reader - 1);
    range.writers[i] = p.number + 1;
  }
}

// N bytes a lane, to or from (LANES, N).
template <int N>
static inline void load_global(Program& p, const u64x32& addresses, i32x32 mask,
                               uint8_t* to, int line) {
  for (int l = 0; l < LANES; l++) {
    if (!mask[l]) continue;
    const uint64_t address = addresses[l];
    if (address % N) fail(p, line, "misaligned load of %ld bytes", N);
    const Range* range = find_range(p, address, N);
    if (!range) {
      fail(p, line, "load of %ld bytes out of every tensor, lane %ld", N, l);
      memset(to + l * N, 0xff, N);
      continue;
    }
    if (p.launch->check_races) note_global_load(p, *range, address, N, line);
    memcpy(to + l * N, (const void*)address, N);
  }
}

template <int N>
static inline void store_global(Program& p, const u64x32& addresses,
                                i32x32 mask, const uint8_t* from, int line) {
  for (int l = 0; l < LANES; l++) {
    if (!mask[l]) continue;
    const uint64_t address = addresses[l];
    if (address % N) fail(p, line, "misaligned store of %ld bytes", N);
    const Range* range = find_range(p, address, N);
    if (!range) {
      fail(p, line, "store of %ld bytes out of every tensor, lane %ld", N, l);
      continue;
    }
    if (p.launch->check_races) note_global_store(p, *range, address, N, line);
    memcpy((void*)address, from + l * N, N);
  }
}

// Whether a barrier lies between an access and now, for a thread of `warp`.
static inline bool is_ordered(const Program& p, const Access& before,
                              int warp) {
  const int its_warp = (before.thread - 1) / LANES;
  return before.program_epoch < p.epoch ||
         (its_warp == warp && before.warp_epoch < p.warp_epochs[warp]);
}

// Checks and remembers an access to shared memory; `stored` is null for a
// load. To write what is there already is no hazard.
static inline void note_shared(Program& p, int warp, int lane, uint32_t address,
                               int size, int line,
                               const uint8_t* stored = nullptr) {
  if ((uint64_t)address + size > p.shared.size()) {
    fail(p, line, "shared address %ld beyond %ld", address, p.shared.size());
    return;
  }
  const uint32_t thread = warp * LANES + lane + 1;
  const Access now = {thread, p.epoch, p.warp_epochs[warp]};
  for (uint32_t i = address; i < address + size; i++) {
    SharedByte& byte = p.shared_bytes[i];
    const bool unchanged = stored && stored[i - address] == p.shared[i];
    if (!stored && !byte.write.thread)
      fail(p, line, "reads shared memory that nobody wrote");
    if (byte.write.thread && byte.write.thread != thread) {
      if (stored && byte.store == p.stores)
        p.replica_bytes_differ += !unchanged;
      else if (!unchanged && !is_ordered(p, byte.write, warp))
        fail(p, line, "no barrier after the write to shared memory of %ld",
             byte.write.thread - 1);
    }
    if (!stored) {
      byte.read = now;
      continue;
    }
    if (byte.read.thread && byte.read.thread != thread &&
        !is_ordered(p, byte.read, warp))
      fail(p, line, "no barrier after the read of shared memory of %ld",
           byte.read.thread - 1);
    byte.write = now;
    byte.store = p.stores;
  }
}

template <int N>
static inline void load_shared(Program& p, int warp, const u32x32& addresses,
                               i32x32 mask, uint8_t* to, int line) {
  for (int l = 0; l < LANES; l++) {
    if (!mask[l]) continue;
    const uint32_t address = addresses[l];
    if (address % N) fail(p, line, "misaligned load of shared memory");
    note_shared(p, warp, l, address, N, line);
    if (!p.errors) memcpy(to + l * N, &p.shared[address], N);
  }
}

template <int N>
static inline void store_shared(Program& p, int warp, const u32x32& addresses,
                                i32x32 mask, const uint8_t* from, int line) {
  p.stores++;
  for (int l = 0; l < LANES; l++) {
    if (!mask[l]) continue;
    const uint32_t address = addresses[l];
    if (address % N) fail(p, line, "misaligned store to shared memory");
    note_shared(p, warp, l, address, N, line, from + l * N);
    if (!p.errors) memcpy(&p.shared[address], from + l * N, N);
  }
}

// stmatrix and ldmatrix: matrices of 8 x 8 two-byte numbers. A row's address
// is lane 8 m + row's; lane l holds two neighbours of row l / 4.
static inline uint32_t matrix_place(Program& p, const u32x32& addresses,
                                    int matrix, int lane, int half,
                                    bool transposed, int line) {
  int row = lane / 4, column = 2 * (lane % 4) + half;
  if (transposed) std::swap(row, column);
  const uint32_t start = addresses[8 * matrix + row];
  if (start % 16) fail(p, line, "a matrix's row is misaligned");
  return start + 2 * column;
}

static inline void store_matrices(Program& p, int warp, const u32x32& addresses,
                                  const u32x32* from, int count,
                                  bool transposed, int line) {
  p.stores++;
  for (int m = 0; m < count; m++)
    for (int l = 0; l < LANES; l++)
      for (int half = 0; half < 2; half++) {
        const uint32_t place =
            matrix_place(p, addresses, m, l, half, transposed, line);
        const uint16_t value = from[m][l] >> (16 * half) & 0xffff;
        note_shared(p, warp, l, place, 2, line, (const uint8_t*)&value);
        if (!p.errors) memcpy(&p.shared[place], &value, 2);
      }
}

static inline void load_matrices(Program& p, int warp, const u32x32& addresses,
                                 u32x32* to, int count, bool transposed,
                                 int line) {
  for (int m = 0; m < count; m++)
    for (int l = 0; l < LANES; l++) {
      uint32_t pair = 0;
      for (int half = 0; half < 2; half++) {
        const uint32_t place =
            matrix_place(p, addresses, m, l, half, transposed, line);
        uint16_t value = 0;
        note_shared(p, warp, l, place, 2, line);
        if (!p.errors) memcpy(&value, &p.shared[place], 2);
        pair |= (uint32_t)value << (16 * half);
      }
      to[m][l] = pair;
    }
}

// Whether a warp takes a branch: all lanes must agree.
static inline bool takes_branch(Program& p, i32x32 condition, int line) {
  for (int l = 1; l < LANES; l++)
    if (!condition[l] != !condition[0]) {
      fail(p, line, "divergent branch");
      break;
    }
  return condition[0];
}

// The end of a warp's turn: at a barrier, or of the warp.
static inline int finish(Program& p, uint64_t instructions, int barrier = -1) {
  p.instructions += instructions;
  return barrier;
}
