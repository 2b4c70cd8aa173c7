using System.Text;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;
using SharpCompress.Compressors.ZStandard;
using Tests.Weights;

namespace Tests.Tools;

public class CompressedInputTests
{
    private const string Fasta = ">a\nACGTTGCA\n>b\nGGCC\n";
    private static readonly string[] Tokenize = ["--tokenizer", ToyModel.TokenizerPath, "--ids"];

    [Theory]
    [InlineData("bzip2")]
    [InlineData("zstd")]
    public void Files_of_one_stream_or_several_are_read_as_what_they_hold(string program)
    {
        using var folder = new TempFolder();
        string expected = ToolRun.Of(Fasta, ["tokenize", "-", .. Tokenize]).Succeeds().Text;
        byte[] one = Compress(program, Fasta), two = [.. Compress(program, Fasta[..13]), .. Compress(program, Fasta[13..])];
        foreach (byte[] file in (byte[][])[one, two])
        {
            Assert.Equal(expected, ToolRun.Of(["tokenize", folder.Write("x.fa", file), .. Tokenize]).Succeeds().Text);
            Assert.Equal(expected, ToolRun.Of(new Sequences.DripStream(file, 3), ["tokenize", "-", .. Tokenize]).Succeeds().Text);
        }

        byte[] damaged = [.. one];
        damaged[^8] ^= 0x10;
        // This Zstandard has no checksum, which its own program writes: bytes that are changed may be other letters.
        foreach (byte[] file in (byte[][])[one[..^3], one[..^10], program == "zstd" ? one[..^1] : damaged, [.. one, .. "garbage"u8]])
        {
            ToolRun run = ToolRun.Of(["tokenize", folder.Write("x.fa", file), .. Tokenize]);
            Assert.True(run.Code == 1, $"{file.Length} bytes: {run.Code} {run.Error}");
            Assert.Contains($"x.fa: the {program} data is damaged, or ends too early", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Xz_is_refused_with_the_way_out()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(["tokenize", folder.Write("x.fa.xz", [0xFD, .. "7zXZ"u8, 0, 0, 4]), .. Tokenize]);
        Assert.Equal(1, run.Code);
        Assert.Contains("x.fa.xz: is xz, which is not read; decompress it: xz -dc", run.Error, StringComparison.Ordinal);
    }

    internal static byte[] Compress(string program, string text)
    {
        using var file = new MemoryStream();
        using (Stream stream = program == "zstd"
            ? new CompressionStream(file, leaveOpen: true)
            : BZip2Stream.Create(file, CompressionMode.Compress, decompressConcatenated: false, leaveOpen: true))
            stream.Write(Encoding.ASCII.GetBytes(text));
        return file.ToArray();
    }
}
