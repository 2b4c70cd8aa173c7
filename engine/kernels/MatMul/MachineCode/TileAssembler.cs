using Iced.Intel;

namespace Engine.Kernels;

/// <summary>
/// Writes the innermost loop of the matrix product as x86-64 machine code: the instructions for bfloat16 and 8-bit integers have no
/// form in .NET, and for floats the compiler does not keep a tile of 27 registers. Each step loads a row of the panel, and for each row
/// of the left factor broadcasts four bytes and multiplies them with it.
/// <code>
/// tile[r, c] = start[r, c] + Σₛ left[r, s] · right[s, c]
/// </code>
/// </summary>
internal static class TileAssembler
{
    private const int Unroll = 4, WindowsSaved = 10, CacheLine = 64;

    private static readonly Register[] Bases = [Register.R8, Register.R9, Register.R10, Register.R11];

    /// <summary>Appends the kernel for tiles of the given size.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="rows">Rows of the tile, at most 12.</param>
    /// <param name="registers">Registers of columns.</param>
    /// <param name="avx512">Whether these have 512 bits, not 256.</param>
    /// <param name="precision">The instruction that multiplies.</param>
    /// <param name="byColumns">Whether the rows of the left factor lie side by side, step after step.</param>
    public static void Write(Assembler code, int rows, int registers, bool avx512, Precision precision, bool byColumns)
    {
        var set = new InstructionSet(code, avx512, precision);
        int sums = (avx512 ? 32 : 16) - (rows * registers);
        code.push(AssemblerRegisters.rbx);
        code.push(AssemblerRegisters.rsi);
        SaveRegisters(code);
        code.mov(AssemblerRegisters.rbx, OperatingSystem.IsWindows() ? AssemblerRegisters.rcx : AssemblerRegisters.rdi);
        LoadStart(set, rows, registers, sums);
        LoadPointers(code, byColumns ? Unroll : rows);

        Label loop = code.CreateLabel(), rest = code.CreateLabel(), single = code.CreateLabel(), end = code.CreateLabel();
        code.sub(AssemblerRegisters.rdx, Unroll);
        code.jl(rest);
        code.Label(ref loop);
        code.prefetcht1(AssemblerRegisters.__byte_ptr[AssemblerRegisters.rsi]);
        code.add(AssemblerRegisters.rsi, CacheLine);
        for (int u = 0; u < Unroll; u++) Step(set, rows, registers, sums, u, byColumns);
        Advance(code, rows, registers * set.Bytes, Unroll, byColumns);
        code.sub(AssemblerRegisters.rdx, Unroll);
        code.jge(loop);
        code.Label(ref rest);
        code.add(AssemblerRegisters.rdx, Unroll);
        code.je(end);
        code.Label(ref single);
        Step(set, rows, registers, sums, 0, byColumns);
        Advance(code, rows, registers * set.Bytes, 1, byColumns);
        code.dec(AssemblerRegisters.rdx);
        code.jne(single);
        code.Label(ref end);

        code.mov(AssemblerRegisters.rax, Field(nameof(TileArguments.Tile)));
        for (int i = 0; i < rows * registers; i++) set.Store(AssemblerRegisters.rax, i * set.Bytes, sums + i);
        code.vzeroupper();
        RestoreRegisters(code);
        code.pop(AssemblerRegisters.rsi);
        code.pop(AssemblerRegisters.rbx);
        code.ret();
    }

    private static void LoadStart(InstructionSet set, int rows, int registers, int sums)
    {
        Assembler code = set.Code;
        code.mov(AssemblerRegisters.rax, Field(nameof(TileArguments.Start)));
        code.mov(AssemblerRegisters.rcx, Field(nameof(TileArguments.StartStride)));
        for (int r = 0; r < rows; r++)
        {
            for (int v = 0; v < registers; v++) set.Load(sums + (r * registers) + v, AssemblerRegisters.rax, v * set.Bytes);
            code.add(AssemblerRegisters.rax, AssemblerRegisters.rcx);
        }
    }

    // rax: panel, rcx: stride of the left factor, rdx: steps, rsi: what to prefetch, r8 to r11: every third row of the left factor, or
    // column.
    private static void LoadPointers(Assembler code, int count)
    {
        code.mov(AssemblerRegisters.rax, Field(nameof(TileArguments.Right)));
        code.mov(AssemblerRegisters.rcx, Field(nameof(TileArguments.LeftStride)));
        code.mov(AssemblerRegisters.rdx, Field(nameof(TileArguments.Steps)));
        code.mov(AssemblerRegisters.rsi, Field(nameof(TileArguments.Prefetch)));
        code.mov(AssemblerRegisters.r8, Field(nameof(TileArguments.Left)));
        for (int r = 3; r < count; r += 3)
        {
            var before = new AssemblerRegister64(Bases[(r / 3) - 1]);
            var here = new AssemblerRegister64(Bases[r / 3]);
            code.lea(here, AssemblerRegisters.__[before + (AssemblerRegisters.rcx * 2)]);
            code.add(here, AssemblerRegisters.rcx);
        }
    }

    private static void Step(InstructionSet set, int rows, int registers, int sums, int step, bool byColumns)
    {
        for (int v = 0; v < registers; v++) set.Load(v, AssemblerRegisters.rax, ((step * registers) + v) * set.Bytes);
        for (int r = 0; r < rows; r++)
        {
            int left = registers + (r % (sums - registers));
            (int strided, int direct) = byColumns ? (step, r) : (r, step);
            Register index = strided % 3 == 0 ? Register.None : Register.RCX;
            set.Broadcast(left, new MemoryOperand(Bases[strided / 3], index, Math.Max(1, strided % 3), 4 * direct, displSize: 1));
            for (int v = 0; v < registers; v++) set.MultiplyAdd(sums + (r * registers) + v, left, v);
        }
    }

    private static void Advance(Assembler code, int rows, int panelBytes, int steps, bool byColumns)
    {
        code.add(AssemblerRegisters.rax, panelBytes * steps);
        for (int i = 0; i < (byColumns ? Unroll : rows); i += 3)
        {
            var pointer = new AssemblerRegister64(Bases[i / 3]);
            if (!byColumns) code.add(pointer, 4 * steps);
            else if (steps == Unroll) code.lea(pointer, AssemblerRegisters.__[pointer + (AssemblerRegisters.rcx * Unroll)]);
            else code.add(pointer, AssemblerRegisters.rcx);
        }
    }

    private static AssemblerMemoryOperand Field(string name) =>
        AssemblerRegisters.__qword_ptr[AssemblerRegisters.rbx + (int)System.Runtime.InteropServices.Marshal.OffsetOf<TileArguments>(name)];

    // Windows has the callee keep xmm6 to xmm15.
    private static void SaveRegisters(Assembler code)
    {
        if (!OperatingSystem.IsWindows()) return;
        code.sub(AssemblerRegisters.rsp, 16 * WindowsSaved);
        for (int i = 0; i < WindowsSaved; i++)
            code.movups(AssemblerRegisters.__xmmword_ptr[AssemblerRegisters.rsp + (16 * i)], new AssemblerRegisterXMM(Register.XMM6 + i));
    }

    private static void RestoreRegisters(Assembler code)
    {
        if (!OperatingSystem.IsWindows()) return;
        for (int i = 0; i < WindowsSaved; i++)
            code.movups(new AssemblerRegisterXMM(Register.XMM6 + i), AssemblerRegisters.__xmmword_ptr[AssemblerRegisters.rsp + (16 * i)]);
        code.add(AssemblerRegisters.rsp, 16 * WindowsSaved);
    }

    /// <summary>The four instructions of the loop, for registers of 512 or 256 bits.</summary>
    private readonly struct InstructionSet(Assembler code, bool avx512, Precision precision)
    {
        private readonly Register _first = avx512 ? Register.ZMM0 : Register.YMM0;

        public Assembler Code => code;

        public int Bytes => avx512 ? 64 : 32;

        public void Load(int register, AssemblerRegister64 address, int offset) => code.AddInstruction(Instruction.Create(
            avx512 ? Iced.Intel.Code.EVEX_Vmovups_zmm_k1z_zmmm512 : Iced.Intel.Code.VEX_Vmovups_ymm_ymmm256,
            _first + register, new MemoryOperand(address.Value, offset)));

        /// <summary>Sums of integers leave as floats.</summary>
        public void Store(AssemblerRegister64 address, int offset, int register)
        {
            if (precision == Precision.I8)
                code.AddInstruction(Instruction.Create(
                    Iced.Intel.Code.EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er, _first + register, _first + register));
            code.AddInstruction(Instruction.Create(
                avx512 ? Iced.Intel.Code.EVEX_Vmovups_zmmm512_k1z_zmm : Iced.Intel.Code.VEX_Vmovups_ymmm256_ymm,
                new MemoryOperand(address.Value, offset), _first + register));
        }

        public void Broadcast(int register, in MemoryOperand source) => code.AddInstruction(Instruction.Create(
            avx512 ? Iced.Intel.Code.EVEX_Vbroadcastss_zmm_k1z_xmmm32 : Iced.Intel.Code.VEX_Vbroadcastss_ymm_m32,
            _first + register, source));

        public void MultiplyAdd(int sum, int left, int right) =>
            code.AddInstruction(Instruction.Create(MultiplyAddCode, _first + sum, _first + left, _first + right));

        private Code MultiplyAddCode => precision switch
        {
            Precision.BF16 => Iced.Intel.Code.EVEX_Vdpbf16ps_zmm_k1z_zmm_zmmm512b32,
            Precision.I8 => Iced.Intel.Code.EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32,
            _ => avx512 ? Iced.Intel.Code.EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er : Iced.Intel.Code.VEX_Vfmadd231ps_ymm_ymm_ymmm256,
        };
    }
}
