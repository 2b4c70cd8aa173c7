using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Engine.Kernels;

/// <summary>
/// Whether machine code with registers of 512 bits can run here. A program compiled as it runs is told by .NET, whose switches count; one
/// that was compiled ahead of time knows only what it was compiled for, and asks the processor.
/// </summary>
internal static unsafe class Avx512
{
    // Leaf 7, EBX: the foundation, DQ, CD, BW and VL, which is what Vector512 asks for. Leaf 1, ECX: the system saves registers (OSXSAVE).
    private const int Instructions = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31, SavesRegisters = 1 << 27;

    // XCR0: SSE, AVX, masks, and both halves of the 512-bit registers.
    private const uint Registers = 0b1110_0110;

    /// <summary>Whether it can.</summary>
    public static readonly bool IsUsable =
        RuntimeFeature.IsDynamicCodeSupported ? Vector512.IsHardwareAccelerated : IsInProcessor && AreRegistersSaved();

    /// <summary>Whether the processor has the instructions, used or not.</summary>
    public static bool IsInProcessor =>
        X86Base.X64.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(1, 0).Ecx & SavesRegisters) != 0
        && (X86Base.CpuId(7, 0).Ebx & Instructions) == Instructions;

    // .NET has no intrinsic for XGETBV.
    private static bool AreRegistersSaved()
    {
        var code = new Assembler(64);
        code.xor(ecx, ecx);
        code.xgetbv();
        code.ret();
        using var bytes = new MemoryStream();
        code.Assemble(new StreamCodeWriter(bytes), 0);
        using ExecutableMemory? memory = ExecutableMemory.TryCreate(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        return memory != null && (((delegate* unmanaged<uint>)memory.Address)() & Registers) == Registers;
    }
}
