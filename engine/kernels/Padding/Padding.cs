using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The padded view of packed sequences, zero where a sequence has ended.</summary>
/// <param name="x">[tokens, width].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="y">[sequences, longest, width].</param>
public readonly unsafe struct Pad(Tensor x, CuSeqlens cuSeqlens, Tensor y) : IOperation
{
    static string IOperation.Name => "pad";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[2]));
        operands.Expect(y, x.DType, new Shape(cuSeqlens.Sequences, cuSeqlens.Longest, y.Shape[2]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new PadJob(
            x.Pointer<float>(), cuSeqlens.Borders.Pointer<int>(), cuSeqlens.Sequences, cuSeqlens.Longest, y.Shape[2], y.Pointer<float>()));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int longest = y.Shape[1], width = y.Shape[2];
        gpu.Launch(
            GpuKernels.Pad.For(x.DType, width),
            new() { X = x, CuSeqlens = cuSeqlens.Borders, Y = y, Longest = longest, Width = width },
            Blocks((long)longest * Chunks(width), WarpsPerBlock), cuSeqlens.Sequences);
    }
}
