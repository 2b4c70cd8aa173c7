using System.Text;

namespace Dnabert2.Sequences;

/// <summary>Tells the layout of a file from its first bytes.</summary>
internal static class FormatDetection
{
    private const int MostBytes = 1 << 16;

    /// <summary>The layout of the input; nothing is consumed but blank lines at its start.</summary>
    /// <exception cref="InvalidDataException">It is empty, binary, or none of the layouts.</exception>
    public static SequenceFormat Detect(ByteSource source, string name, SequenceFormat asked, Faults faults)
    {
        if (!source.HasMore) throw faults.File("the file is empty", "Give a file with sequences");
        for (int length; (length = source.LineEnd()) > 0;) source.SkipLineEnd(length);
        if (!source.HasMore) throw faults.File("the file has only blank lines", "Give a file with sequences");
        while (source.Window.Length < MostBytes && source.Window.IndexOf((byte)'\n') < 0 && source.FillMore()) { }
        ReadOnlySpan<byte> head = source.Window[..Math.Min(source.Window.Length, MostBytes)];
        if (BinaryRemedy(head) is string remedy) throw faults.File("this is binary data, not text", remedy);
        return asked != SequenceFormat.Detect ? asked : FromContent(head, Extension(name), faults);
    }

    private static SequenceFormat FromContent(ReadOnlySpan<byte> head, string extension, Faults faults)
    {
        if (head[0] is (byte)'>' or (byte)';') return SequenceFormat.Fasta;
        if (head[0] == '@') return SequenceFormat.Fastq;
        int end = head.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? head : head[..end];
        bool tabs = extension is ".tsv" or ".tab";
        if (HasSequenceColumn(line, ',')) return tabs && !line.Contains((byte)',') ? SequenceFormat.Tsv : SequenceFormat.Csv;
        if (tabs || HasSequenceColumn(line, '\t')) return SequenceFormat.Tsv;
        switch (extension)
        {
            case ".csv": return SequenceFormat.Csv;
            case ".fa" or ".fasta" or ".fna" or ".ffn" or ".frn" or ".fas": return SequenceFormat.Fasta;
            case ".fq" or ".fastq": return SequenceFormat.Fastq;
        }
        if (Nucleotides.AreAll(line)) return SequenceFormat.Lines;
        if (line.Contains((byte)',')) return SequenceFormat.Csv;
        string shown = Faults.Show(Encoding.UTF8.GetString(line[..Math.Min(line.Length, 200)]).Trim());
        throw faults.File(
            $"the layout is unknown; the first line is '{shown}'",
            "Give FASTA ('>name', then bases), FASTQ, CSV or TSV with a column 'sequence', or one sequence a line");
    }

    private static bool HasSequenceColumn(ReadOnlySpan<byte> line, char delimiter)
    {
        foreach (Range range in line.Split((byte)delimiter))
        {
            ReadOnlySpan<byte> field = line[range].Trim(" \t\r\""u8);
            if (Ascii.EqualsIgnoreCase(field, "sequence"u8) || Ascii.EqualsIgnoreCase(field, "sequence1"u8)) return true;
        }
        return false;
    }

    /// <summary>The extension below <c>.gz</c> and its like, in lower case.</summary>
    private static string Extension(string name)
    {
        string extension = Path.GetExtension(name).ToLowerInvariant();
        return extension is ".gz" or ".bgz" or ".gzip"
            ? Path.GetExtension(Path.GetFileNameWithoutExtension(name)).ToLowerInvariant()
            : extension;
    }

    private static string? BinaryRemedy(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith([(byte)0x1F, (byte)0x8B])) return "It is compressed twice: decompress it once with 'gunzip'";
        if (head.StartsWith("PK\u0003\u0004"u8)) return "It is a zip archive: unpack it first";
        if (head.StartsWith("BZh"u8)) return "It is compressed with bzip2: decompress it first";
        if (head.StartsWith([(byte)0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z']))
            return "It is compressed with xz: decompress it first";
        if (head.StartsWith([(byte)0x28, (byte)0xB5, (byte)0x2F, (byte)0xFD])) return "It is compressed with zstd: decompress it first";
        if (head.StartsWith("BAM\u0001"u8)) return "It is BAM: convert it with 'samtools fasta'";
        if (head.StartsWith([(byte)0x43, (byte)0x27, (byte)0x41, (byte)0x1A])) return "It is 2bit: convert it with 'twoBitToFa'";
        if (head.StartsWith([(byte)0xFF, (byte)0xFE]) || head.StartsWith([(byte)0xFE, (byte)0xFF]))
            return "It is UTF-16 text: save it as UTF-8";
        return head.Contains((byte)0) ? "Give FASTA, FASTQ, CSV, TSV or plain lines, gzipped or not" : null;
    }
}
