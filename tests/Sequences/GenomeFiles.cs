using System.Diagnostics;
using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

/// <summary>Bytes in memory that are read at any place.</summary>
internal sealed class MemoryBytes(byte[] bytes) : RandomBytes
{
    private long _read;

    public override long Length => bytes.Length;

    public override long BytesRead => _read;

    public override int Read(long offset, Span<byte> destination)
    {
        int count = (int)Math.Clamp(bytes.Length - offset, 0, destination.Length);
        bytes.AsSpan((int)Math.Min(offset, bytes.Length), count).CopyTo(destination);
        _read += count;
        return count;
    }

    public override void Dispose()
    {
    }
}

/// <summary>Genomes in memory with their indexes, and the programs that others make these with.</summary>
internal static class GenomeFiles
{
    public static Genome Plain(string fasta) =>
        new(FastaFile.Open(new MemoryBytes(Encoding.ASCII.GetBytes(fasta)), Index(fasta), "x.fa"));

    public static Genome Bgzipped(string fasta, int blockSize)
    {
        var file = new MemoryBytes(Bgzip.File(Encoding.ASCII.GetBytes(fasta), blockSize));
        var bytes = new BgzfBytes(file, BgzfIndex.Build(file, "x.fa.gz"), "x.fa.gz", "x.fa.gz.gzi");
        return new Genome(FastaFile.Open(bytes, Index(fasta), "x.fa.gz"));
    }

    public static FastaIndex Index(string fasta) => FastaIndex.Build(new MemoryStream(Encoding.Latin1.GetBytes(fasta)), "x.fa");

    public static string TextOf(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    public static string Bases(Genome genome, GenomeRegion region)
    {
        byte[] bases = new byte[region.Length];
        genome.Read(region.Contig, region.Start, bases);
        return Encoding.ASCII.GetString(bases);
    }

    /// <summary>Runs a program of htslib; the test is skipped where it is not installed.</summary>
    public static byte[] Run(string program, params string[] args)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in args) start.ArgumentList.Add(arg);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"{program} is not installed");
            throw;
        }

        using (process)
        {
            using var output = new MemoryStream();
            Task<string> error = process.StandardError.ReadToEndAsync();
            process.StandardOutput.BaseStream.CopyTo(output);
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, error.Result);
            return output.ToArray();
        }
    }
}
