using System.Globalization;
using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>The matrix products of four warps (<c>wgmma</c>), whose factors lie in shared memory.</summary>
internal sealed partial class Decoder
{
    private bool Warpgroup()
    {
        if (Take("mma_async")) return WarpgroupProduct();
        if (!Take("sync") || !Take("aligned")) throw Error("only the .sync.aligned form is supported:");
        if (Take("fence")) return WholeWarp(static warp => warp.Products.Fence());
        if (Take("commit_group")) return WholeWarp(static warp => warp.Products.Commit());
        if (!Take("wait_group")) return false;
        int remaining = (int)Operand(0).Value;
        return WholeWarp(warp => warp.Products.Wait(remaining));
    }

    private bool WholeWarp(Action<Warp> run)
    {
        _instruction.Run = (warp, mask) =>
        {
            warp.RequireWholeWarp(mask);
            run(warp);
        };
        return true;
    }

    /// <summary>
    /// D = A·B + D, or A·B, for 64 × n sums of fp32: a warp has 16 rows of D, of which each lane holds what it does with <c>mma</c>. As
    /// there, the products are exact and their sum is rounded once.
    /// </summary>
    private bool WarpgroupProduct()
    {
        if (!Take("sync") || !Take("aligned")) throw Error("only the .sync.aligned form is supported:");
        string shape = _modifiers.Find(m => m.StartsWith("m64n", StringComparison.Ordinal) && m.EndsWith("k16", StringComparison.Ordinal))
            ?? throw Error("the shape is not supported in");
        Take(shape);
        int columns = int.Parse(shape.AsSpan(4, shape.Length - 7), CultureInfo.InvariantCulture);
        if (columns % 8 != 0 || columns is < 8 or > 256) throw Error("the shape is not supported in");
        PtxType d = TakeType(), a = TakeType(), b = TakeType();
        if (d != PtxType.F32 || a != b || a is not (PtxType.F16 or PtxType.BF16)) throw Error("the types are not supported in");
        if (Operand(1).Kind == OperandKind.Vector) throw Error("a left factor in registers is not supported in");
        int[] sums = Registers(0, columns / 2, PtxType.F32, true);
        int left = Source(1, PtxType.B64), right = Source(2, PtxType.B64);
        PredicateSource add = Predicate(3);
        if (Operand(4).Value != 1 || Operand(5).Value != 1) throw Error("negated factors are not supported in");
        bool leftByColumns = Operand(6).Value == 1, rightByColumns = Operand(7).Value == 1;
        NarrowGrain(PtxSpace.Shared, Chunk);
        _instruction.Run = (warp, mask) =>
        {
            warp.RequireWholeWarp(mask);
            uint adds = add.Read(warp);
            if (adds is not (0 or uint.MaxValue))
                throw warp.Fault(FaultKind.DivergentWarp, 0, "the lanes do not agree whether products are added");
            ulong[] starts = warp.Products.Start(sums, adds != 0);
            var products = new SharedFactors(warp, a, Same(warp, left), Same(warp, right));
            products.Multiply(columns, leftByColumns, rightByColumns, starts);
            warp.Products.Issue(sums, starts, products.Places);
        };
        return true;
    }

    private static ulong Same(Warp warp, int register)
    {
        ReadOnlySpan<ulong> values = warp.R.AsSpan(register, 32);
        int other = values.IndexOfAnyExcept(values[0]);
        return other < 0
            ? values[0]
            : throw warp.Fault(
                FaultKind.DivergentWarp, other, $"the lanes give different descriptors: 0x{values[0]:X}, 0x{values[other]:X}");
    }

    /// <summary>Two factors that descriptors name, read for one warp.</summary>
    private sealed class SharedFactors
    {
        private const int Depth = 16;
        private readonly Warp _warp;
        private readonly PtxType _type;
        private readonly ulong _left, _right;

        public SharedFactors(Warp warp, PtxType type, ulong left, ulong right)
        {
            (_warp, _type, _left, _right) = (warp, type, left, right);
            if (warp.Index / 4 * 4 + 4 > warp.Launch.WarpsPerBlock)
                throw warp.Fault(FaultKind.DivergentWarp, 0, "the block has no four warps here");
            warp.Products.Agree(left, right);
        }

        /// <summary>The shared addresses of the 16-byte chunks that were read.</summary>
        public List<ulong> Places { get; } = [];

        /// <summary>Adds the products to sums, by register and lane.</summary>
        public void Multiply(int columns, bool leftByColumns, bool rightByColumns, ulong[] sums)
        {
            float[] x = Read(_left, 16 * (_warp.Index & 3), 16, leftByColumns), y = Read(_right, 0, columns, rightByColumns);
            for (int i = 0; i < sums.Length; i++)
            {
                int register = i / 32, lane = i % 32;
                int row = (lane >> 2) + 8 * (register >> 1 & 1), column = 8 * (register / 4) + 2 * (lane & 3) + (register & 1);
                sums[i] = Bits(Dot(x.AsSpan(row * Depth, Depth), y.AsSpan(column * Depth, Depth), F(sums[i])));
            }
        }

        /// <summary>
        /// Positions from <paramref name="first"/> on, 16 depths each. PTX, "matrix descriptor" and "canonical layouts": parts of eight
        /// rows as wide as the swizzle, by depth where a row is a position, by position where it is a depth.
        /// </summary>
        private float[] Read(ulong descriptor, int first, int count, bool byColumns)
        {
            (ulong start, ulong leading, ulong stride, int bits) = Open(descriptor);
            int width = 16 << bits;
            var values = new float[count * Depth];
            var chunks = new List<ulong>();
            // A chunk is eight elements: of one position, or of one depth.
            for (int i = 0; i < count * Depth / 8; i++)
            {
                int position = byColumns ? first + i / Depth * 8 : first + i / 16 * 8 + i % 8,
                    depth = byColumns ? i % Depth : i / 8 % 2 * 8;
                int along = 2 * (byColumns ? position : depth), across = byColumns ? depth : position;
                ulong at = start + (ulong)(across % 8 * width) + (ulong)(along % width)
                    + (ulong)(across / 8) * (bits == 0 && byColumns ? leading : stride)
                    + (ulong)(along / width) * (bits == 0 && byColumns ? stride : leading);
                ulong place = Swizzle(at, bits);
                ReadOnlySpan<byte> bytes = _warp.Block.Shared.ReadAsync(_warp, place, Chunk);
                chunks.Add(place);
                for (int e = 0; e < 8; e++)
                {
                    ushort element = MemoryMarshal.Read<ushort>(bytes[(2 * e)..]);
                    int to = byColumns ? (position - first + e) * Depth + depth : (position - first) * Depth + depth + e;
                    values[to] = _type == PtxType.BF16 ? F((uint)element << 16) : (float)BitConverter.UInt16BitsToHalf(element);
                }
            }
            for (int i = 0; i < chunks.Count; i += 32)
            {
                int lanes = Math.Min(32, chunks.Count - i);
                chunks.CopyTo(i, _warp.Addresses, 0, lanes);
                _warp.Launch.SharedCounters[_warp.Pc].Shared(_warp.Addresses, lanes == 32 ? uint.MaxValue : (1u << lanes) - 1, Chunk);
            }
            Places.AddRange(chunks);
            return values;
        }

        private (ulong Start, ulong Leading, ulong Stride, int Bits) Open(ulong descriptor)
        {
            const ulong Fields = 0xC00E_3FFF_3FFF_3FFF;
            if ((descriptor & ~Fields) != 0)
                throw _warp.Fault(FaultKind.Trap, 0, $"descriptor 0x{descriptor:X} has bits outside its fields");
            if ((descriptor >> 49 & 7) != 0)
                throw _warp.Fault(FaultKind.Trap, 0, $"descriptor 0x{descriptor:X} has a base offset, which is not supported");
            int bits = (int)(descriptor >> 62) switch { 0 => 0, 1 => 3, 2 => 2, _ => 1 };
            ulong start = (descriptor & 0x3FFF) << 4;
            // Bits 7 and up of the address exchange chunks: they must count the rows of a part.
            if ((start >> 7 & ((1u << bits) - 1)) != 0)
                throw _warp.Fault(
                    FaultKind.Misaligned, 0, $"descriptor 0x{descriptor:X} starts at shared address 0x{start:X}, within a swizzled part");
            return (start, (descriptor >> 16 & 0x3FFF) << 4, (descriptor >> 32 & 0x3FFF) << 4, bits);
        }
    }
}
