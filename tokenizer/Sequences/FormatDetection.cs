using System.Text;

namespace Dnabert2.Sequences;

/// <summary>Tells the layout of a file from its first bytes.</summary>
internal static class FormatDetection
{
    private const int MostBytes = 1 << 16;

    private static ReadOnlySpan<byte> Blanks => " \t\r\n"u8;

    /// <summary>
    /// The layout of the input, and what separates the fields of a table; nothing is consumed but what is before its first line.
    /// </summary>
    /// <exception cref="InvalidDataException">It is empty, binary, or none of the layouts.</exception>
    public static (SequenceFormat Format, byte Separator) Detect(ByteSource source, string name, SequenceOptions options, Faults faults)
    {
        if (!source.HasMore) throw faults.File("the file is empty", "Give a file with sequences");
        for (int length; (length = source.LineEnd()) > 0;) source.SkipLineEnd(length);
        if (!source.HasMore) throw faults.File("the file has only blank lines", "Give a file with sequences");
        while (source.Window.Length < MostBytes && !HoldsFirstLine(source.Window) && source.FillMore()) { }
        ReadOnlySpan<byte> head = source.Window[..Math.Min(source.Window.Length, MostBytes)];
        // In the first line: how much more is here by now is up to who writes the pipe.
        if (BinaryRemedy(head.IndexOf((byte)'\n') is >= 0 and int line ? head[..line] : head) is string remedy)
            throw faults.File("this is binary data, not text", remedy);
        bool mayBeTable = options.Format is SequenceFormat.Detect or SequenceFormat.Csv or SequenceFormat.Tsv;
        if (mayBeTable && TableHeader.Declares(head, out byte declared, out int declaration))
        {
            source.Skip(declaration);
            return (declared == '\t' ? SequenceFormat.Tsv : SequenceFormat.Csv, declared);
        }
        SequenceFormat format = options.Format != SequenceFormat.Detect
            ? options.Format : FromContent(head, Extension(name), options, faults);
        return (format, format == SequenceFormat.Tsv ? (byte)'\t' : TableHeader.CsvSeparator(head, options));
    }

    private static bool HoldsFirstLine(ReadOnlySpan<byte> window)
    {
        int end = window.IndexOf((byte)'\n');
        // Lines of blanks say nothing: what comes after them does. Quotes matter in tables only: of other layouts nothing is waited for
        // that may come later.
        return end >= 0 && window.ContainsAnyExcept(Blanks)
            && (window[0] is (byte)'>' or (byte)';' or (byte)'@' || !window[..end].Contains((byte)'"')
                || TableHeader.LineLength(window) >= 0);
    }

    private static SequenceFormat FromContent(ReadOnlySpan<byte> head, string extension, SequenceOptions options, Faults faults)
    {
        byte first = head.TrimStart(Blanks) is { IsEmpty: false } text ? text[0] : head[0];
        int end = TableHeader.LineLength(head);
        ReadOnlySpan<byte> line = end < 0 ? head : head[..end];
        // A comment of FASTA, or the header of a table whose first column has no name, such as pandas' index.
        bool isHeader = extension is ".csv" or ".tsv" or ".tab" && TableHeader.HasSequences(line, (byte)';', options);
        if (first == '>' || (first == ';' && !isHeader)) return SequenceFormat.Fasta;
        if (first == '@') return SequenceFormat.Fastq;
        bool tabs = extension is ".tsv" or ".tab";
        if (TableHeader.HasSequences(line, (byte)',', options))
            return tabs && !line.Contains((byte)',') ? SequenceFormat.Tsv : SequenceFormat.Csv;
        if (TableHeader.HasSequences(line, (byte)';', options)) return SequenceFormat.Csv;
        if (tabs || TableHeader.HasSequences(line, (byte)'\t', options)) return SequenceFormat.Tsv;
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
        if (head.StartsWith([(byte)0x43, (byte)0x27, (byte)0x41, (byte)0x1A])
            || head.StartsWith([(byte)0x1A, (byte)0x41, (byte)0x27, (byte)0x43]))
            return "It is .2bit, of which regions are read: name some, or convert it with 'twoBitToFa'";
        if (head.StartsWith([(byte)0xFF, (byte)0xFE]) || head.StartsWith([(byte)0xFE, (byte)0xFF]))
            return "It is UTF-16 text: save it as UTF-8";
        return head.Contains((byte)0) ? "Give FASTA, FASTQ, CSV, TSV or plain lines, gzipped or not" : null;
    }
}
