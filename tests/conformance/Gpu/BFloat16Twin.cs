using System.Runtime.InteropServices;
using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// A GPU that runs each fp32 kernel's bf16 form beside it, on copies of the operands, and compares. The operands of both are rounded to
/// bf16 first, and arithmetic is fp32 in both, so results differ by the rounding of what is written.
/// </summary>
internal sealed class BFloat16Twin(GpuDevice inner) : WrappedDevice(inner)
{
    /// <summary>
    /// Kernels in bf16 that are not compared: AdamW has no form in bf16 but one that writes a rounded copy, which
    /// <see cref="BFloat16Checks"/> has.
    /// </summary>
    public static readonly string[] NotCompared = ["adamw_bf16"];

    private readonly List<nint> _copies = [];

    /// <summary>The bf16 kernels that were compared.</summary>
    public SortedSet<string> Compared { get; } = new(StringComparer.Ordinal);

    public override string Description => Inner.Description + ", in bf16 beside fp32";

    protected override void Launch(CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared)
    {
        byte[] block = arguments.Block.ToArray();
        CompiledKernel? twin = kernel.Entry.EndsWith("_f32", StringComparison.Ordinal)
            ? Library.Find(kernel.Entry[..^4] + "_bf16") : null;
        if (twin is null || !Fits(twin, block))
        {
            Launch(kernel, block, new Dictionary<nint, nint>(), gridX, gridY, gridZ, dynamicShared);
            return;
        }

        var operands = new List<(KernelParameter Parameter, nint Address, int Count)>();
        for (int i = 0; i < twin.Parameters.Count; i++)
        {
            KernelParameter p = twin.Parameters[i];
            (nint address, int count) = p.Kind == KernelParameterKind.View ? View(block, p) : default;
            if (count > 0 && !operands.Any(o => o.Address == address)) operands.Add((p, address, count));
        }

        var copies = operands.ToDictionary(o => o.Address, Round);
        Launch(kernel, block, new Dictionary<nint, nint>(), gridX, gridY, gridZ, dynamicShared);
        Launch(twin, block, copies, gridX, gridY, gridZ, dynamicShared == kernel.DynamicShared ? twin.DynamicShared : dynamicShared);
        foreach ((KernelParameter p, nint address, int count) in operands) Compare(twin.Entry, p, address, copies[address], count);
        foreach (nint copy in _copies) Inner.Free(copy);
        _copies.Clear();
        Compared.Add(twin.Entry);
    }

    // Tensor cores and 16-byte accesses want rows of a multiple of eight.
    private static bool Fits(CompiledKernel twin, byte[] block)
    {
        if (NotCompared.Contains(twin.Entry)) return false;
        foreach (KernelParameter p in twin.Parameters)
            if ((p.Name is "depth" or "width" or "headSize" || (p.Name == "columns" && twin.Entry == "linear_input_gradient_bf16"))
                && BitConverter.ToInt32(block, p.Offset) % 8 != 0) return false;
        return true;
    }

    private static (nint Address, int Count) View(byte[] block, KernelParameter p) =>
        ((nint)BitConverter.ToInt64(block, p.Offset), checked((int)BitConverter.ToInt64(block, p.Offset + 8)));

    private void Launch(
        CompiledKernel kernel, byte[] block, Dictionary<nint, nint> copies, int gridX, int gridY, int gridZ, int dynamicShared) =>
        Inner.Repeat(kernel, block, gridX, gridY, gridZ, dynamicShared, copies);

    /// <summary>Rounds an operand to bf16 in its place, and copies it for the other kernel.</summary>
    private nint Round((KernelParameter Parameter, nint Address, int Count) operand)
    {
        bool rounded = operand.Parameter.Element == "bf16";
        int size = operand.Parameter.Element is "f32" or "i32" or "u32" or "bf16" ? 4 : 0;
        if (size == 0) return operand.Address;
        var bytes = new byte[size * operand.Count];
        Inner.Download(operand.Address, bytes);
        Span<float> values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan());
        var narrow = new BFloat16[rounded ? values.Length : 0];
        for (int i = 0; i < narrow.Length; i++)
        {
            narrow[i] = (BFloat16)values[i];
            values[i] = (float)narrow[i];
        }

        Inner.Upload(bytes, operand.Address);
        ReadOnlySpan<byte> copied = rounded ? MemoryMarshal.AsBytes(narrow.AsSpan()) : bytes;
        _copies.Add(Inner.Allocate(copied.Length));
        Inner.Upload(copied, _copies[^1]);
        return _copies[^1];
    }

    private void Compare(string entry, KernelParameter p, nint address, nint copy, int count)
    {
        if (p.Element is not ("bf16" or "f32")) return;
        var wide = new float[count];
        Inner.Download(address, MemoryMarshal.AsBytes(wide.AsSpan()));
        var narrow = new float[count];
        if (p.Element == "f32") Inner.Download(copy, MemoryMarshal.AsBytes(narrow.AsSpan()));
        else
        {
            var bits = new BFloat16[count];
            Inner.Download(copy, MemoryMarshal.AsBytes(bits.AsSpan()));
            narrow = Array.ConvertAll(bits, b => (float)b);
        }

        // Half a unit in the last of bf16's eight bits; sums of many terms have other orders, as with tensor cores.
        double relative = p.Element == "f32" ? 1e-5 : 1.0 / 256,
            largest = wide.Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        for (int i = 0; i < count; i++)
            Check.Near(wide[i], narrow[i], (relative * Math.Abs(wide[i])) + (1e-5 * Math.Max(1, largest)), $"{entry}, {p.Name}[{i}]");
    }
}
