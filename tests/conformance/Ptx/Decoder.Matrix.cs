using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>The tensor core's instructions: <c>mma.sync</c>, and <c>ldmatrix</c> that feeds it.</summary>
internal sealed partial class Decoder
{
    private const int Rows = 16, Columns = 8;

    private bool Matrix() => _statement.Opcode switch
    {
        "mma" => MultiplyMatrices(),
        "ldmatrix" => LoadMatrix(),
        "wgmma" => Warpgroup(),
        _ => false,
    };

    private int[] Registers(int index, int count, PtxType type, bool destination)
    {
        PtxOperand operand = Operand(index);
        if (operand.Kind != OperandKind.Vector || operand.Items.Length != count)
            throw Error($"operand {index + 1} must be a vector of {count} registers in");
        return [.. operand.Items.Select(i => destination ? Destination(i, type) : Source(i, type))];
    }

    /// <summary>
    /// D = A·B + C for 16×8 tiles of D, with A by rows and B by columns of 16-bit elements. The products are exact and summed in double,
    /// then rounded once: hardware differs in the last bits, as PTX leaves the order and rounding of the sum open.
    /// </summary>
    private bool MultiplyMatrices()
    {
        if (!Take("sync") || !Take("aligned")) throw Error("only the .sync.aligned form is supported:");
        int depth = Take("m16n8k16") ? 16 : Take("m16n8k8") ? 8 : throw Error("the shape is not supported in");
        if (!Take("row") || !Take("col")) throw Error("only .row.col is supported in");
        PtxType d = TakeType(), a = TakeType(), b = TakeType(), c = TakeType();
        if (d != PtxType.F32 || c != PtxType.F32 || a != b || a is not (PtxType.F16 or PtxType.BF16))
            throw Error("the types are not supported in");
        int[] to = Registers(0, 4, PtxType.F32, true), from = Registers(3, 4, PtxType.F32, false);
        int[] left = Registers(1, depth / 4, PtxType.B32, false), right = Registers(2, depth / 8, PtxType.B32, false);
        _instruction.Run = (warp, mask) =>
        {
            warp.RequireWholeWarp(mask);
            Span<float> x = stackalloc float[Rows * depth], y = stackalloc float[Columns * depth];
            ulong[] r = warp.R;
            for (int lane = 0; lane < 32; lane++)
            {
                int group = lane >> 2, pair = 2 * (lane & 3);
                for (int i = 0; i < left.Length; i++)
                    PutPair(x, (group + 8 * (i & 1)) * depth + pair + 8 * (i >> 1), (uint)r[left[i] + lane], a);
                for (int i = 0; i < right.Length; i++)
                    PutPair(y, group * depth + pair + 8 * i, (uint)r[right[i] + lane], a);
            }
            for (int lane = 0; lane < 32; lane++)
            {
                int group = lane >> 2, pair = 2 * (lane & 3);
                for (int i = 0; i < 4; i++)
                {
                    ReadOnlySpan<float> row = x.Slice((group + 8 * (i >> 1)) * depth, depth);
                    ReadOnlySpan<float> column = y.Slice((pair + (i & 1)) * depth, depth);
                    r[to[i] + lane] = Bits(Dot(row, column, F(r[from[i] + lane])));
                }
            }
        };
        return true;
    }

    private static void PutPair(Span<float> tile, int at, uint packed, PtxType type)
    {
        if (type == PtxType.BF16)
        {
            tile[at] = F(packed << 16);
            tile[at + 1] = F(packed & 0xFFFF_0000);
        }
        else
        {
            tile[at] = (float)BitConverter.UInt16BitsToHalf((ushort)packed);
            tile[at + 1] = (float)BitConverter.UInt16BitsToHalf((ushort)(packed >> 16));
        }
    }

    private static float Dot(ReadOnlySpan<float> row, ReadOnlySpan<float> column, float start)
    {
        double sum = start;
        for (int k = 0; k < row.Length; k++) sum += (double)row[k] * column[k];
        return (float)sum;
    }

    /// <summary>
    /// Loads 8×8 matrices of 16-bit elements: lane 8·i + j gives the address of row j of matrix i; each lane receives a pair of each
    /// matrix.
    /// </summary>
    private bool LoadMatrix()
    {
        if (!Take("sync") || !Take("aligned") || !Take("m8n8")) throw Error("only the .sync.aligned.m8n8 form is supported:");
        int count = TakeAny("x1", "x2", "x4") switch { "x1" => 1, "x2" => 2, "x4" => 4, _ => throw Error("the count is missing in") };
        bool transposed = Take("trans");
        PtxSpace space = TakeSpace();
        if (TakeType() != PtxType.B16) throw Error("only .b16 is supported in");
        int[] d = Operand(0).Kind == OperandKind.Register && count == 1
            ? [Destination(0, PtxType.B32)] : Registers(0, count, PtxType.B32, true);
        (int address, ulong offset, PtxSpace where) = Address(Operand(1), space);
        NarrowGrain(PtxSpace.Shared, 16);
        uint providers = count == 4 ? uint.MaxValue : (1u << (8 * count)) - 1;
        _instruction.Run = (warp, mask) =>
        {
            warp.RequireWholeWarp(mask);
            Span<ushort> rows = stackalloc ushort[32 * 8];
            for (int lane = 0; lane < 8 * count; lane++)
            {
                ulong at = warp.Addresses[lane] = warp.R[address + lane] + offset;
                MemoryMarshal.Cast<byte, ushort>(warp.Load(where, lane, at, 16, false)).CopyTo(rows[(8 * lane)..]);
            }
            for (int lane = 0; lane < 32; lane++)
            {
                int row = lane >> 2, pair = 2 * (lane & 3);
                for (int i = 0; i < count; i++)
                {
                    ReadOnlySpan<ushort> matrix = rows.Slice(64 * i, 64);
                    warp.R[d[i] + lane] = transposed
                        ? matrix[8 * pair + row] | (uint)matrix[8 * (pair + 1) + row] << 16
                        : matrix[8 * row + pair] | (uint)matrix[8 * row + pair + 1] << 16;
                }
            }
            warp.Launch.SharedCounters[warp.Pc].Shared(warp.Addresses, providers, 16);
        };
        return true;
    }
}
