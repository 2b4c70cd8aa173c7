using System.Numerics;
using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>Loads, stores, atomics, asynchronous copies and fences.</summary>
internal sealed partial class Decoder
{
    private bool Memory() => _statement.Opcode switch
    {
        "ld" or "ldu" => Load(),
        "st" => Store(),
        "atom" or "red" => Atomic(),
        "cp" => AsyncCopy(),
        "mbarrier" => SharedBarrier(),
        "membar" or "fence" => Fence(),
        "prefetch" or "prefetchu" or "nanosleep" => NoOperation(),
        _ => false,
    };

    private bool NoOperation()
    {
        _modifiers.Clear();
        _operandsRead = OperandCount;
        return true;
    }

    /// <summary>An address: the register that holds its base, the offset to add, and the space.</summary>
    private (int Base, ulong Offset, PtxSpace Space) Address(PtxOperand operand, PtxSpace space)
    {
        if (operand.Kind != OperandKind.Address || operand.Items.Length != 1) throw Error("an address in brackets is wanted in");
        PtxOperand item = operand.Items[0];
        ulong offset = unchecked((ulong)operand.Offset);
        if (item.Kind == OperandKind.Variable)
        {
            (ulong address, PtxSpace own) = linker.Address(item.Variable!, _frame, _statement.Line);
            bool fits = space == own || (space, own) is (PtxSpace.Param, PtxSpace.Local) or (PtxSpace.Const or PtxSpace.Generic,
                PtxSpace.Global);
            if (!fits) throw Error($"variable '{item.Name}' is not of the space of");
            return (linker.Constant(address) * 32, offset, own);
        }
        if (item.Kind == OperandKind.Integer) return (linker.Constant(item.Value) * 32, offset, space);
        PtxType register = item.Variable?.Type ?? PtxType.Pred;
        if (register.Bytes() is not (4 or 8)) throw Error("an address must be a register of 32 or 64 bits in");
        if (register.Bytes() == 4 && space is not (PtxSpace.Shared or PtxSpace.Local))
            throw Error("addresses of this space have 64 bits in");
        return (Source(item, register), offset, space);
    }

    private void NarrowGrain(PtxSpace space, int size)
    {
        int grain = BitOperations.Log2((uint)size);
        if (space is PtxSpace.Shared or PtxSpace.Generic) linker.SharedGrain = Math.Min(linker.SharedGrain, grain);
        if (space is not PtxSpace.Shared) linker.GlobalGrain = Math.Min(linker.GlobalGrain, grain);
    }

    private void TakeCacheHints()
    {
        TakeAny("ca", "cg", "cs", "lu", "cv", "wb", "wt");
        _modifiers.RemoveAll(m => m.StartsWith("L1::", StringComparison.Ordinal) || m.StartsWith("L2::", StringComparison.Ordinal));
    }

    private bool TakeOrdering()
    {
        bool strong = TakeAny("relaxed", "acquire", "release", "acq_rel") is "acquire" or "release" or "acq_rel";
        Take("volatile");
        Take("weak");
        TakeAny("cta", "cluster", "gpu", "sys");
        return strong;
    }

    private bool Load()
    {
        TakeOrdering();
        PtxSpace space = TakeSpace();
        TakeCacheHints();
        bool nonCoherent = Take("nc");
        int count = TakeAny("v2", "v4") switch { "v2" => 2, "v4" => 4, _ => 1 };
        PtxType type = TakeType();
        PtxOperand to = Operand(0);
        PtxOperand[] parts = to.Kind == OperandKind.Vector ? to.Items : [to];
        if (parts.Length != count) throw Error($"{count} destinations are wanted in");
        int[] d = [.. parts.Select(p => Destination(p, type, true))];
        int[] widths = [.. parts.Select(p => p.Variable?.Type.Bits() ?? type.Bits())];
        (int address, ulong offset, PtxSpace where) = Address(Operand(1), space);
        int element = type.Bytes(), size = element * count;
        if (where == PtxSpace.Param) return LoadParameter(d, widths, type, Operand(1));
        bool extend = type.IsSigned();
        NarrowGrain(where, size);
        if (where == PtxSpace.Shared && element == 4 && (!extend || Array.TrueForAll(widths, width => width == 32)))
        {
            _instruction.Run = (warp, mask) =>
            {
                SetAddresses(warp, mask, address, offset);
                warp.Block.Shared.ReadWords(warp, mask, d);
                warp.Count(where, mask, size);
            };
            return true;
        }

        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R, addresses = warp.Addresses;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                ulong at = addresses[lane] = r[address + lane] + offset;
                ReadOnlySpan<byte> bytes = warp.Load(where, lane, at, size, nonCoherent);
                for (int i = 0; i < d.Length; i++) r[d[i] + lane] = Element(bytes, i * element, element, extend, widths[i]);
            }
            warp.Count(where, mask, size);
        };
        return true;
    }

    private static void SetAddresses(Warp warp, uint mask, int register, ulong offset)
    {
        ulong[] r = warp.R, addresses = warp.Addresses;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            addresses[lane] = r[register + lane] + offset;
        }
    }

    private static ulong Element(ReadOnlySpan<byte> bytes, int at, int size, bool extend, int width)
    {
        switch (size)
        {
            case 4:
                uint word = MemoryMarshal.Read<uint>(bytes[at..]);
                return extend && width == 64 ? (ulong)(int)word : word;
            case 8:
                return MemoryMarshal.Read<ulong>(bytes[at..]);
            case 2:
                ushort half = MemoryMarshal.Read<ushort>(bytes[at..]);
                return extend ? Trim((ulong)(short)half, width) : half;
            default:
                return extend ? Trim((ulong)(sbyte)bytes[at], width) : bytes[at];
        }
    }

    /// <summary>A parameter of the entry: the same for all lanes, and its bounds are known here.</summary>
    private bool LoadParameter(int[] d, int[] widths, PtxType type, PtxOperand address)
    {
        PtxVariable parameter = address.Items[0].Variable ?? throw Error("parameters are addressed by name only in");
        int element = type.Bytes(), size = element * d.Length;
        long end = address.Offset + size;
        if (address.Offset < 0 || end > parameter.Bytes)
            throw Error($"bytes {address.Offset} to {end} are outside parameter '{parameter.Name}' of {parameter.Bytes} bytes in");
        int at = (int)linker.Address(parameter, _frame, _statement.Line).Address + (int)address.Offset;
        if (at % size != 0) throw Error($"the parameter's offset {at} is no multiple of {size} in");
        bool extend = type.IsSigned();
        _instruction.Run = (warp, mask) =>
        {
            for (int i = 0; i < d.Length; i++)
            {
                ulong value = Element(warp.Launch.Parameters, at + i * element, element, extend, widths[i]);
                for (uint rest = mask; rest != 0; rest &= rest - 1) warp.R[d[i] + BitOperations.TrailingZeroCount(rest)] = value;
            }
        };
        return true;
    }

    private bool Store()
    {
        TakeOrdering();
        PtxSpace space = TakeSpace();
        TakeCacheHints();
        int count = TakeAny("v2", "v4") switch { "v2" => 2, "v4" => 4, _ => 1 };
        PtxType type = TakeType();
        PtxOperand from = Operand(1);
        PtxOperand[] parts = from.Kind == OperandKind.Vector ? from.Items : [from];
        if (parts.Length != count) throw Error($"{count} sources are wanted in");
        int[] a = [.. parts.Select(p => Source(p, type, true))];
        (int address, ulong offset, PtxSpace where) = Address(Operand(0), space);
        int element = type.Bytes(), size = element * count;
        if (where == PtxSpace.Param) throw Error("parameters of a kernel cannot be written:");
        if (where == PtxSpace.Const) throw Error("constant memory cannot be written:");
        NarrowGrain(where, size);
        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R, addresses = warp.Addresses;
            Span<byte> bytes = stackalloc byte[32];
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                for (int i = 0; i < a.Length; i++) MemoryMarshal.Write(bytes[(i * element)..], r[a[i] + lane]);
                ulong at = addresses[lane] = r[address + lane] + offset;
                warp.Store(where, lane, at, bytes[..size]);
            }
            warp.Count(where, mask, size);
        };
        return true;
    }

    private bool Atomic()
    {
        bool fenced = TakeOrdering(), returns = _statement.Opcode == "atom";
        PtxSpace space = TakeSpace();
        TakeCacheHints();
        string operation = TakeAny("add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec");
        Take("noftz");
        PtxType type = TakeType();
        int first = returns ? 1 : 0;
        int d = returns ? Destination(0, type) : linker.Scratch * 32;
        int b = Source(first + 1, type), c = operation == "cas" ? Source(first + 2, type) : b;
        (int address, ulong offset, PtxSpace where) = Address(Operand(first), space);
        int size = type.Bytes();
        Func<ulong, ulong, ulong, ulong> update = AtomicOperation(operation, type);
        NarrowGrain(where, size);
        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                ulong at = warp.Addresses[lane] = r[address + lane] + offset;
                Span<byte> place = warp.Atomic(where, lane, at, size, fenced);
                ulong old = Element(place, 0, size, false, 64), updated = update(old, r[b + lane], r[c + lane]);
                for (int i = 0; i < size; i++) place[i] = (byte)(updated >> (8 * i));
                r[d + lane] = old;
            }
            warp.Count(where, mask, size);
        };
        return true;
    }

    private Func<ulong, ulong, ulong, ulong> AtomicOperation(string operation, PtxType type)
    {
        int bits = type.Bits();
        bool signed = type.IsSigned();
        switch (operation)
        {
            case "exch": return static (_, b, _) => b;
            case "cas": return static (old, b, c) => old == b ? c : old;
            case "and": return static (old, b, _) => old & b;
            case "or": return static (old, b, _) => old | b;
            case "xor": return static (old, b, _) => old ^ b;
            case "inc": return static (old, b, _) => old >= b ? 0 : old + 1;
            case "dec": return static (old, b, _) => old == 0 || old > b ? b : old - 1;
            case "min" when signed: return (old, b, _) => Signed(old, bits) < Signed(b, bits) ? old : b;
            case "max" when signed: return (old, b, _) => Signed(old, bits) > Signed(b, bits) ? old : b;
            case "min" when !type.IsFloat(): return static (old, b, _) => Math.Min(old, b);
            case "max" when !type.IsFloat(): return static (old, b, _) => Math.Max(old, b);
            case "add" when !type.IsFloat(): return (old, b, _) => Trim(old + b, bits);
            case "add" when type == PtxType.F32: return static (old, b, _) => Bits(F(old) + F(b));
            case "add" when type == PtxType.F64: return static (old, b, _) => Bits(D(old) + D(b));
            case "add":
                PtxType element = type is PtxType.F16 or PtxType.F16x2 ? PtxType.F16 : PtxType.BF16;
                PtxFloat.Format format = PtxFloat.Of(element);
                double Value(ulong x) => PtxFloat.Decode(x & 0xFFFF, element);
                ulong Sum(ulong x, ulong y) => PtxFloat.Encode(PtxFloat.SumToOdd(Value(x), Value(y)), format);
                return bits == 16 ? (old, b, _) => Sum(old, b) : (old, b, _) => Sum(old, b) | Sum(old >> 16, b >> 16) << 16;
            default: throw Error("the operation is not supported in");
        }
    }

    private bool AsyncCopy()
    {
        if (!Take("async")) return false;
        if (Take("commit_group"))
        {
            _instruction.Run = static (warp, mask) => warp.AsyncCopies.Commit(mask);
            return true;
        }
        if (Take("wait_all"))
        {
            _instruction.Run = static (warp, mask) => warp.AsyncCopies.Wait(mask, -1);
            return true;
        }
        if (Take("wait_group"))
        {
            int remaining = (int)Operand(0).Value;
            _instruction.Run = (warp, mask) => warp.AsyncCopies.Wait(mask, remaining);
            return true;
        }
        return Take("bulk") ? CopyBox() : CopyToShared();
    }

    private bool CopyToShared()
    {
        bool bypass = TakeAny("ca", "cg") == "cg";
        if (TakeAny("shared", "shared::cta").Length == 0 || !Take("global")) throw Error("the spaces are missing in");
        TakeCacheHints();
        int size = (int)Operand(2).Value;
        if (size != 16 && (bypass || size is not (4 or 8))) throw Error("the size must be 16 (.cg), or 4, 8 or 16 (.ca) in");
        int valid = OperandCount > 3 ? Source(3, PtxType.U32) : linker.Constant((ulong)size) * 32;
        (int to, ulong toOffset, _) = Address(Operand(0), PtxSpace.Shared);
        (int from, ulong fromOffset, _) = Address(Operand(1), PtxSpace.Global);
        NarrowGrain(PtxSpace.Shared, size);
        // A partly valid source counts as read in whole grains: exact unless the rest is written in the same launch.
        NarrowGrain(PtxSpace.Global, size);
        _instruction.Run = (warp, mask) =>
        {
            Span<byte> bytes = stackalloc byte[16];
            Span<ulong> targets = stackalloc ulong[32];
            uint reads = 0;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                ulong source = warp.Addresses[lane] = warp.R[from + lane] + fromOffset;
                targets[lane] = (uint)(warp.R[to + lane] + toOffset);
                uint have = (uint)warp.R[valid + lane];
                if (have > size) throw warp.Fault(FaultKind.Trap, lane, $"cp.async is asked to read {have} of {size} bytes");
                if ((source & (uint)(size - 1)) != 0)
                    throw warp.Fault(FaultKind.Misaligned, lane,
                        $"cp.async of {size} bytes from global address 0x{source:X}, which is no multiple of {size}");
                bytes.Clear();
                if (have > 0) reads |= 1u << lane;
                warp.CopyGlobal(lane, source, bytes[..(int)have]);
                warp.AsyncCopies.Issue(lane, targets[lane], bytes[..size]);
            }
            warp.Launch.GlobalCounters[warp.Pc].Global(warp.Addresses, reads, size);
            warp.Launch.SharedCounters[warp.Pc].Shared(targets, mask, size);
        };
        return true;
    }

    private bool Fence()
    {
        if (Take("proxy")) return ProxyFence();
        bool device = TakeAny("gl", "sys", "gpu").Length > 0;
        _modifiers.RemoveAll(m => m is "cta" or "cluster" or "sc" or "acq_rel" or "acquire" or "release");
        if (device) _instruction.Run = static (warp, _) => warp.Launch.Global.Fence(warp);
        return true;
    }
}
