using Dnabert2.Sequences;

namespace Tests.Sequences;

public class LongRecordTests
{
    private const int Bases = 80_000_000;

    public enum Kind { OneLine, Wrapped, Csv, Gzip }

    [Theory]
    [InlineData(Kind.OneLine, 1.05), InlineData(Kind.Wrapped, 1.05), InlineData(Kind.Csv, 1.05), InlineData(Kind.Gzip, 1.15)]
    public void A_chromosome_is_held_once(Kind kind, double most)
    {
        string path = Path.GetTempFileName();
        try
        {
            Write(path, kind);
            using SequenceReader reader = SequenceReader.Open(path);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.True(reader.TryRead(out SequenceRecord? record));
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(Bases, record.Length);
            Assert.False(record.Sequence.ContainsAnyExcept("ACGT"u8));
            Assert.True(allocated < most * Bases, $"{allocated / (double)Bases:F3} bytes allocated per base");

            before = GC.GetAllocatedBytesForCurrentThread();
            int fragments = 0;
            foreach (SequenceFragment fragment in record.Fragments) fragments += fragment.Length / Bases;
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(1, fragments);
            // Not 0: a collection on another thread counts what is left of this thread's allocation buffer.
            Assert.InRange(allocated, 0, 1 << 16);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_record_after_the_first_costs_only_its_name()
    {
        byte[] content = System.Text.Encoding.ASCII.GetBytes(
            string.Concat(Enumerable.Range(0, 1000).Select(i => $">r{i}\n{new string('A', 50_000)}\n")));
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(content), "x");
        Assert.True(reader.TryRead(out _));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int records = 1;
        while (reader.TryRead(out _)) records++;
        Assert.Equal(1000, records);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000 * 400);
    }

    private static void Write(string path, Kind kind)
    {
        byte[] line = new byte[80];
        for (int i = 0; i < line.Length; i++) line[i] = (byte)"ACGT"[i * 7 % 4];
        using Stream file = kind == Kind.Gzip
            ? new System.IO.Compression.GZipStream(File.Create(path), System.IO.Compression.CompressionLevel.Fastest)
            : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        file.Write(kind == Kind.Csv ? "sequence,label\n"u8 : ">chr\n"u8);
        for (int written = 0; written < Bases; written += line.Length)
        {
            file.Write(line);
            if (kind is Kind.Wrapped or Kind.Gzip) file.Write("\n"u8);
        }
        if (kind == Kind.Csv) file.Write(",1"u8);
        file.Write("\n"u8);
    }
}
