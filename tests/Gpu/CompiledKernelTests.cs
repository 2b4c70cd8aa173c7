using Engine.KernelCompiler;
using Engine.Kernels.Gpu;

namespace Tests.Gpu;

public sealed class CompiledKernelTests
{
    [Fact]
    public void Entry_block_shared_memory_and_parameters_of_the_manifest_are_those_of_the_text()
    {
        foreach (CompiledKernel kernel in KernelManifest.Compiled.Values)
        {
            PtxHeader header = PtxText.ReadHeader(System.Text.Encoding.ASCII.GetString(KernelManifest.Text(kernel)));
            Assert.Equal(kernel.Entry, header.Entry);
            Assert.Equal(kernel.Threads, header.Threads);
            Assert.Equal(kernel.StaticShared, header.StaticShared);
            Assert.Equal(kernel.Parameters.Select(p => (p.Name, p.Offset, p.Size)), header.Parameters);
        }
    }

    [Fact]
    public void An_archive_reads_as_it_was_written_and_is_the_same_bytes_again()
    {
        CompiledKernel[] kernels = [.. KernelManifest.Compiled.Values.OrderBy(k => k.Entry, StringComparer.Ordinal).Take(3),
            KernelManifest.Compiled.Values.First(k => k.Target == KernelTarget.Hopper)];
        string[] texts = [.. kernels.Select((_, i) => $"text {i}\n")];
        byte[] written = Write();
        KernelManifest read = KernelManifest.Read(new MemoryStream(written));
        Assert.Equal("of these", read.Compiler);
        for (int i = 0; i < kernels.Length; i++)
        {
            Assert.Equal(kernels[i] with { Parameters = [] }, read.Kernels[i] with { Parameters = [] });
            Assert.Equal(kernels[i].Parameters, read.Kernels[i].Parameters);
            Assert.Equal(texts[i], System.Text.Encoding.ASCII.GetString(KernelManifest.Text(new MemoryStream(written), kernels[i])));
        }

        Assert.Equal(written, Write());

        byte[] Write()
        {
            using var archive = new MemoryStream();
            new KernelManifest("of these", kernels).Write(archive, texts);
            return archive.ToArray();
        }
    }

    [Theory]
    [InlineData("sm_80")]
    [InlineData("sm_90")]
    [InlineData("sm_90a")]
    public void Every_kernel_assembles_without_spills_or_stack(string architecture)
    {
        Assert.SkipUnless(Assembler.IsPresent(), "ptxas is not on the path");
        foreach (CompiledKernel kernel in KernelManifest.Compiled.Values)
        {
            if (!Assembler.Architectures(kernel).Contains(architecture)) continue;
            AssembledKernel assembled = Assembler.Assemble(kernel.Entry, KernelManifest.Text(kernel).AsSpan()[..^1], architecture);
            Assert.True(assembled.IsClean, $"{kernel.Entry} for {architecture}: {assembled}");
            Assert.Equal(kernel.StaticShared, assembled.Shared);
        }
    }

    [Fact]
    public void Only_the_kernels_for_Hopper_have_its_instructions_and_target()
    {
        foreach (CompiledKernel kernel in KernelManifest.Compiled.Values)
        {
            string text = System.Text.Encoding.ASCII.GetString(KernelManifest.Text(kernel));
            bool hopper = kernel.Target == KernelTarget.Hopper;
            Assert.Contains(hopper ? ".version 8.0\n.target sm_90a\n" : ".version 7.4\n.target sm_80\n", text, StringComparison.Ordinal);
            Assert.Equal(hopper, text.Contains("wgmma.", StringComparison.Ordinal));
            if (!hopper) continue;
            Assert.Contains(".extern .shared .align 1024 ", text, StringComparison.Ordinal);
            Assert.All(kernel.Parameters.Where(p => p.Kind == KernelParameterKind.TensorMap), p => Assert.Equal(0, p.Offset % 64));
        }
    }

    [Fact]
    public void Cleaned_text_does_not_depend_on_the_numbers_that_the_compiler_gave()
    {
        const string Text = """
            //
            .visible .func (.param .f32 retval_1) Fma_1(
            	.param .f32 _a_2
            )
            ;
            .visible .func (.param .f32 retval_1) Fma_1(
            	.param .f32 _a_2
            )
            {
            	ret;
            }

            .visible .entry Kernel_Scale(
            	.param .align 8 .b8 _x_71[16],
            	.param .b32 _n_73
            )
            .maxntid 64, 1, 1
            {
            	.shared .align 16 .b8 __shared_alloca0[100];
            	.shared .align 16 .b8 __shared_alloca1[8];
            	ld.param.b32	%r1, [_n_73];
            	@%p1 bra	L_901;
            	L_901:
            	ret;
            }
            """;
        string cleaned = PtxText.Clean(Text, "scale", ["x", "n"]);
        Assert.Equal(cleaned, PtxText.Clean(Text.Replace("901", "17").Replace("_73", "_5").Replace("71", "3"), "scale", ["x", "n"]));
        Assert.DoesNotContain("Fma", cleaned);
        PtxHeader header = PtxText.ReadHeader(cleaned);
        Assert.Equal(("scale", 64, 120), (header.Entry, header.Threads, header.StaticShared));
        Assert.Equal([("x", 0, 16), ("n", 16, 4)], header.Parameters);
    }
}
