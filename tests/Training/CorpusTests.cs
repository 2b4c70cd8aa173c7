using System.Text;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;

namespace Tests.Training;

public sealed class CorpusTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void The_windows_of_a_record_tile_it_and_are_tokenised_as_the_tokenizer_does()
    {
        using Corpus corpus = _toy.Build(Toy.Cuts with { HeldOut = 0 });
        CorpusSpecies beta = corpus.Species[1];
        string genome = Encoding.ASCII.GetString(SequenceReader.Read(_toy["beta.fa"]).Select(r => r.Copy()).Single().Sequence);
        int at = 0;
        bool cut = false;
        for (long i = 0; i < beta.Training.Windows; i++)
        {
            ReadOnlySpan<ushort> window = corpus.Window(Split.Training, 1, i);
            string bases = string.Concat(window.ToArray().Select(id => corpus.Tokenizer.Token(id)));
            Assert.InRange(window.Length, 1, Toy.Cuts.MaxTokens - 2);
            Assert.InRange(bases.Length, 1, Toy.Cuts.MaxBases);
            Assert.Equal(genome.Substring(at, bases.Length), bases);
            if (window.Length < Toy.Cuts.MaxTokens - 2)
                Assert.Equal(corpus.Tokenizer.Encode(bases, addSpecialTokens: false).Ids.ToArray().Select(id => (ushort)id), window.ToArray());
            else cut = true;
            at += bases.Length;
        }

        Assert.True(cut, "no window reached the limit of tokens");
        Assert.InRange(genome.Length - at, 0, Toy.Cuts.MinBases - 1);
        Assert.Equal((genome.Length, genome.Length - at, (long)at), (beta.Bases, beta.RestBases, beta.Training.Bases));
        Assert.Equal(4, corpus.Species[0].Records);
    }

    [Fact]
    public void Windows_with_other_letters_are_dropped_and_counted()
    {
        string bases = Toy.Bases(5, 3000);
        _toy.Write("beta.fa", $">r\n{bases[..1000]}{new string('N', 500)}{bases[1000..2000]}R{bases[2000..]}\n>short\nACGTACGT\n");
        using Corpus corpus = _toy.Build();
        CorpusSpecies beta = corpus.Species[1];
        Assert.InRange(beta.AmbiguousWindows, 3, 30);
        Assert.InRange(beta.AmbiguousBases, 501, 501 + (4 * Toy.Cuts.MaxBases));
        Assert.Equal(3000 + 501 + 8, beta.Bases);
        Assert.Equal(beta.Bases, beta.AmbiguousBases + beta.RestBases + beta.RepeatedBases + beta.Training.Bases + beta.HeldOut.Bases);
        Assert.All(Enumerable.Range(0, (int)beta.Training.Windows), i =>
            Assert.All(corpus.Window(Split.Training, 1, i).ToArray(), id => Assert.Matches("^[ACGT]+$", corpus.Tokenizer.Token(id))));
    }

    [Fact]
    public void A_genome_of_few_windows_has_held_out_ones_all_the_same()
    {
        using Corpus corpus = _toy.Build(Toy.Cuts with { HeldOut = 0.001 }, "few");
        Assert.All(corpus.Species, s =>
        {
            long first = Math.Min(32, s.Training.Windows + s.HeldOut.Windows);
            Assert.True(s.HeldOut.Windows >= first / 4, $"{s.Name}: {s.HeldOut.Windows} of {s.Training.Windows}");
        });
    }

    [Fact]
    public void A_window_is_held_out_or_trained_on_and_never_both()
    {
        using Corpus all = _toy.Build(Toy.Cuts with { HeldOut = 0 }, "all");
        using Corpus split = _toy.Build(Toy.Cuts with { HeldOut = 0.3 }, "split");
        for (int s = 0; s < 2; s++)
        {
            int training = 0, heldOut = 0;
            for (long i = 0; i < all.Species[s].Training.Windows; i++)
            {
                ReadOnlySpan<ushort> window = all.Window(Split.Training, s, i);
                if (training < split.Species[s].Training.Windows && window.SequenceEqual(split.Window(Split.Training, s, training))) training++;
                else Assert.True(window.SequenceEqual(split.Window(Split.HeldOut, s, heldOut++)));
            }

            Assert.Equal((training, heldOut), (split.Species[s].Training.Windows, split.Species[s].HeldOut.Windows));
            // Five standard deviations of a binomial distribution.
            double n = training + heldOut;
            Assert.InRange(heldOut, (0.3 * n) - (5 * Math.Sqrt(n * 0.21)), (0.3 * n) + (5 * Math.Sqrt(n * 0.21)));
        }
    }

    [Theory]
    [InlineData(32, 300)]
    [InlineData(32, 1 << 20)]
    [InlineData(21, 1 << 20)]
    public void A_window_that_repeats_one_to_train_on_is_not_held_out(int run, int shardTokens)
    {
        // Half of beta is also in alpha, the other strand of a fifth of it, and one run each that is just long enough or just too short.
        string bases = Toy.Bases(5, 10_000), other = Toy.Bases(6, 4000);
        _toy.Write("beta.fa", $">b\n{bases}\n");
        _toy.Write("alpha.fa", $">a\n{other[..1000]}{bases[..5000]}{other[1000..2000]}{OtherStrand(bases[5000..7000])}{other[2000..3000]}" +
            $"{bases[8000..(8000 + run)]}{other[3000..3500]}{OtherStrand(bases[9000..(9000 + run - 1)])}{other[3500..]}\n");
        CorpusOptions cuts = Toy.Cuts with { ShardTokens = shardTokens };
        using Corpus all = _toy.Build(cuts with { RepeatBases = 0 }, "all"), corpus = _toy.Build(cuts with { RepeatBases = run });
        Assert.Equal((0, run), (all.Options.RepeatBases, corpus.Options.RepeatBases));
        var training = new HashSet<string>();
        for (int s = 0; s < 2; s++)
        {
            Assert.Equal(all.Species[s].Training, corpus.Species[s].Training);
            foreach (string window in Windows(corpus, Split.Training, s))
                foreach (string part in Parts(window).Concat(Parts(OtherStrand(window)))) training.Add(part);
        }

        for (int s = 0; s < 2; s++)
        {
            List<string> expected = [.. Windows(all, Split.HeldOut, s).Where(w => !Parts(w).Any(training.Contains))];
            Assert.Equal(expected, Windows(corpus, Split.HeldOut, s));
            CorpusSpecies species = corpus.Species[s];
            Assert.Equal(all.Species[s].HeldOut.Windows, species.HeldOut.Windows + species.RepeatedWindows);
            Assert.Equal(all.Species[s].HeldOut.Bases, species.HeldOut.Bases + species.RepeatedBases);
            Assert.True(species is { RepeatedWindows: > 10, HeldOut.Windows: > 10 }, $"{species}");
        }

        IEnumerable<string> Parts(string window) => Enumerable.Range(0, Math.Max(0, window.Length - run + 1)).Select(i => window.Substring(i, run));
    }

    [Fact]
    public void Shared_runs_are_found_at_every_length_place_and_strand_and_shorter_ones_are_not()
    {
        for (int length = 1; length <= 32; length++)
        {
            string bases = Toy.Bases((ulong)length, 100 + length);
            for (int at = 0; at <= bases.Length - length; at += 7)
            {
                Assert.True(Share(bases, bases.Substring(at, length)));
                Assert.True(Share(bases, OtherStrand(bases.Substring(at, length))));
            }

            Assert.False(Share(bases, bases[..(length - 1)]));
            Assert.False(Share(bases[..(length - 1)], bases));

            bool Share(string heldOut, string training) => SharesRun(length, Toy.Tokenizer, heldOut, training);
        }
    }

    [Fact]
    public void A_base_that_the_tokenizer_does_not_know_ends_a_run_and_is_counted()
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 30 });
        trainer.Add(Encoding.ASCII.GetBytes(Toy.Bases(3, 5000).Replace("T", "", StringComparison.Ordinal)));
        ResultFiles.Write(_toy["t.json"], trainer.Train().Save);
        File.WriteAllText(_toy["t.json"], File.ReadAllText(_toy["t.json"]).Replace("\"T\"", "\"X\"", StringComparison.Ordinal));
        BpeTokenizer noT = BpeTokenizer.Load(_toy["t.json"]);
        string left = "ACGGACCA", right = "GGCAGACC";
        Assert.False(SharesRun(12, noT, left + "T" + right, left + right));
        Assert.False(SharesRun(12, noT, left + "T" + right, left + "T" + right));
        Assert.True(SharesRun(8, noT, left + "T" + right, right + "T" + left));
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, noT, Toy.Cuts with { RepeatBases = 6 });
        Assert.All(corpus.Species, s => Assert.Equal(s.Bases, s.RestBases + s.RepeatedBases + s.Training.Bases + s.HeldOut.Bases));
        Assert.All(corpus.Species, s => Assert.True(s is { RepeatedWindows: > 0, HeldOut.Windows: > 0 }, $"{s}"));
        for (int s = 0; s < 2; s++)
            Assert.Equal(corpus.Species[s].HeldOut.Bases, Windows(corpus, Split.HeldOut, s).Sum(w => w.Replace("[UNK]", "T", StringComparison.Ordinal).Length));
    }

    [Fact]
    public void More_held_out_bases_than_can_be_compared_are_refused_with_the_way_out() => Assert.Contains(
        "hold out a smaller part",
        Assert.Throws<ArgumentException>(() => new SharedRuns(32, Toy.Tokenizer, 1L << 31)).Message, StringComparison.Ordinal);

    [Fact]
    public void Progress_goes_on_through_cutting_and_comparing_to_the_end()
    {
        var told = new List<CorpusProgress>();
        CorpusBuilder.Build(_toy["corpus"], _toy.Sources, Toy.Tokenizer, Toy.Cuts, new Report<CorpusProgress>(told.Add)).Dispose();
        Assert.Equal(told.OrderBy(p => p.Share), told);
        Assert.Equal(told.OrderBy(p => p.Comparing), told);
        Assert.All(told, p => Assert.InRange(p.Share, 0, 1));
        Assert.True(told[^1].Comparing);
        told.Clear();
        CorpusBuilder.Build(_toy["all"], _toy.Sources, Toy.Tokenizer, Toy.Cuts with { RepeatBases = 0 }, new Report<CorpusProgress>(told.Add)).Dispose();
        Assert.Equal((1, false), (told[^1].Share, told[^1].Comparing));
    }

    [Fact]
    public void Small_shards_hold_the_same_windows_as_large_ones()
    {
        using Corpus large = _toy.Build(), small = _toy.Build(Toy.Cuts with { ShardTokens = 300 }, "small");
        Assert.True(Directory.GetFiles(small.Folder, "shard-*").Length > 20);
        Assert.Equal(large.Species, small.Species);
        for (int s = 0; s < 2; s++)
            foreach (Split split in Enum.GetValues<Split>())
                for (long i = 0; i < large.Species[s].Of(split).Windows; i++)
                    Assert.True(large.Window(split, s, i).SequenceEqual(small.Window(split, s, i)));
        Assert.Throws<ArgumentOutOfRangeException>(() => small.Window(Split.HeldOut, 0, small.Species[0].HeldOut.Windows).Length);
    }

    [Fact]
    public void One_input_gives_the_same_bytes_and_is_not_built_again()
    {
        _toy.Build().Dispose();
        _toy.Build(name: "again").Dispose();
        Assert.Equal(Toy.Files(_toy["corpus"]), Toy.Files(_toy["again"]));
        DateTime before = File.GetLastWriteTimeUtc(_toy["corpus/corpus.json"]);
        _toy.Build().Dispose();
        Assert.Equal(before, File.GetLastWriteTimeUtc(_toy["corpus/corpus.json"]));
        Assert.Equal(["again", "alpha.fa", "beta.fa", "corpus"], _toy.Names);
    }

    [Fact]
    public void The_marker_of_a_build_that_was_killed_at_its_very_end_is_removed_and_a_held_one_is_not()
    {
        _toy.Build().Dispose();
        string marker = Path.Combine(_toy["corpus"], RunFolder.MarkerFile);
        foreach (bool whole in (bool[])[true, false])
        {
            if (whole) Mark(marker);
            else File.WriteAllText(marker, "");
            _toy.Build().Dispose();
            Assert.False(File.Exists(marker));
        }

        Mark(marker);
        using var other = new FileStream(marker, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Contains("another process", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(marker));
    }

    [Fact]
    public void A_changed_file_option_or_tokenizer_is_said_with_the_way_out()
    {
        _toy.Build().Dispose();
        Refused(() => _toy.Build(Toy.Cuts with { MaxBases = 121 }), "MaxBases = 120");
        Refused(() => _toy.Build(Toy.Cuts with { RepeatBases = 0 }), "RepeatBases = 32");
        Refused(() => CorpusBuilder.Build(_toy["corpus"], _toy.Sources, Toy.TrainTokenizer(60), Toy.Cuts), "another tokenizer");
        Refused(() => CorpusBuilder.Build(_toy["corpus"], [_toy.Sources[0]], Toy.Tokenizer, Toy.Cuts), "2 files, not 1");
        Refused(() => CorpusBuilder.Build(_toy["corpus"], [_toy.Sources[0], new("gamma", _toy["beta.fa"])], Toy.Tokenizer, Toy.Cuts), "'beta', not 'gamma'");
        File.AppendAllText(_toy["beta.fa"], "ACGT\n");
        Refused(() => _toy.Build(), "beta.fa has another content");

        static void Refused(Func<Corpus> build, string why)
        {
            string message = Assert.Throws<InvalidDataException>(build).Message;
            Assert.Contains(why, message, StringComparison.Ordinal);
            Assert.Contains("name another folder", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_corpus_without_a_usable_window_is_refused_and_nothing_is_left()
    {
        _toy.Write("n.fa", $">n\n{new string('N', 5000)}\n>short\nACGT\n");
        string message = Assert.Throws<InvalidDataException>(() => CorpusBuilder.Build(_toy["c"], [CorpusSource.Parse(_toy["n.fa"])], Toy.Tokenizer, Toy.Cuts)).Message;
        Assert.Contains("no usable window", message, StringComparison.Ordinal);
        Assert.Contains("n.fa", message, StringComparison.Ordinal);
        Assert.Equal(["alpha.fa", "beta.fa", "n.fa"], _toy.Names);
    }

    [Fact]
    public void What_a_killed_building_has_left_is_replaced_and_one_at_work_is_not_disturbed()
    {
        SortedDictionary<string, byte[]> expected;
        using (Corpus corpus = _toy.Build(name: "whole")) expected = Toy.Files(_toy["whole"]);
        string marker = Path.Combine(_toy["corpus"], RunFolder.MarkerFile);
        Directory.CreateDirectory(_toy["corpus"]);
        Mark(marker);
        _toy.Write("corpus/shard-00000.bin", "half");
        _toy.Write("corpus/shard-00077.bin", "half");
        _toy.Write("corpus/tokenizer.json", "{");
        using (var other = new FileStream(marker, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            Assert.Contains("another process", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(_toy["corpus/shard-00077.bin"]));
        _toy.Build().Dispose();
        Assert.Equal(expected, Toy.Files(_toy["corpus"]));
    }

    [Fact]
    public void Files_and_folders_beside_a_corpus_and_in_its_folder_are_left()
    {
        foreach (string other in (string[])["corpus.tmp/x", "corpus.lock", ".corpus/x"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_toy[other])!);
            _toy.Write(other, "precious");
        }

        _toy.Build().Dispose();
        Assert.All(["corpus.tmp/x", "corpus.lock", ".corpus/x"], other => Assert.Equal("precious", File.ReadAllText(_toy[other])));
        foreach (string other in (string[])["shard-00000.bin", "tokenizer.json", "notes", ".git", RunFolder.MarkerFile])
        {
            Directory.CreateDirectory(_toy["mine"]);
            _toy.Write("mine/" + other, "precious");
            Assert.ThrowsAny<SystemException>(() => _toy.Build(name: "mine"));
            Assert.Equal("precious", File.ReadAllText(_toy["mine/" + other]));
            Directory.Delete(_toy["mine"], recursive: true);
        }

        // Even where a killed build has left its marker.
        Directory.CreateDirectory(_toy["mine"]);
        Mark(Path.Combine(_toy["mine"], RunFolder.MarkerFile));
        _toy.Write("mine/notes", "precious");
        _toy.Write("mine/shard-00000.bin", "half");
        Assert.Contains("holds notes", Assert.Throws<IOException>(() => _toy.Build(name: "mine")).Message, StringComparison.Ordinal);
        Assert.Equal("half", File.ReadAllText(_toy["mine/shard-00000.bin"]));
    }

    [Fact]
    public void A_building_that_fails_or_is_interrupted_leaves_nothing()
    {
        _toy.Write("beta.fa", $">r\n{Toy.Bases(5, 3000)}\nAC?GT\n");
        Assert.Throws<InvalidDataException>(() => _toy.Build());
        foreach (bool comparing in (bool[])[false, true])
        {
            using var source = new CancellationTokenSource();
            var stop = new Report<CorpusProgress>(p => { if (p.Comparing == comparing) source.Cancel(); });
            Assert.Throws<OperationCanceledException>(() => CorpusBuilder.Build(_toy["corpus"], [_toy.Sources[0]], Toy.Tokenizer, Toy.Cuts, stop, source.Token));
            Assert.Equal(["alpha.fa", "beta.fa"], _toy.Names);
        }

        Directory.CreateDirectory(_toy["corpus"]);
        _toy.Write("corpus/other", "x");
        Assert.Contains("holds other, which is not of a corpus", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_or_altered_file_is_found_on_opening()
    {
        _toy.Build().Dispose();
        foreach ((string name, byte[] bytes) in Toy.Files(_toy["corpus"]))
        {
            string path = Path.Combine(_toy["corpus"], name);
            byte[] altered = [.. bytes];
            altered[bytes.Length / 2] ^= 1;
            foreach (byte[] damage in (byte[][])[[.. bytes.SkipLast(2)], altered, []])
            {
                // Another index may be as good as this one; what it says of the shards has to be true.
                if (name == "corpus.json" && damage == altered) continue;
                File.WriteAllBytes(path, damage);
                Assert.Contains(name, Assert.Throws<InvalidDataException>(() => Corpus.Open(_toy["corpus"])).Message, StringComparison.Ordinal);
            }

            File.Delete(path);
            Assert.ThrowsAny<IOException>(() => Opened(_toy["corpus"]));
            File.WriteAllBytes(path, bytes);
        }

        Corpus.Open(_toy["corpus"]).Dispose();

        static void Opened(string folder)
        {
            try
            {
                Corpus.Open(folder).Dispose();
            }
            catch (InvalidDataException e)
            {
                throw new IOException("as it should be", e);
            }
        }
    }

    [Fact]
    public void A_shard_made_to_fit_its_index_is_still_checked()
    {
        _toy.Build().Dispose();
        string shard = _toy["corpus/shard-00000.bin"], index = _toy["corpus/corpus.json"];
        byte[] bytes = File.ReadAllBytes(shard);
        string was = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), json = File.ReadAllText(index);
        foreach ((int at, byte value) in (ReadOnlySpan<(int, byte)>)[(0, 0), (8, 1), (16, 1), (20, 0xFF), (bytes.Length - 1, 0xFF)])
        {
            byte[] forged = [.. bytes];
            forged[at] = value;
            File.WriteAllBytes(shard, forged);
            File.WriteAllText(index, json.Replace(was, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(forged)), StringComparison.Ordinal));
            Assert.Contains("does not hold", Assert.Throws<InvalidDataException>(() => Corpus.Open(_toy["corpus"])).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_index_of_any_bytes_is_read_or_refused_as_invalid()
    {
        _toy.Build().Dispose();
        string index = _toy["corpus/corpus.json"];
        byte[] good = File.ReadAllBytes(index);
        var random = new Random(1);
        for (int round = 0; round < 400; round++)
        {
            byte[] bad = [.. good];
            for (int i = random.Next(1, 4); i > 0; i--) bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(index, bad);
            Try();
        }

        foreach (string text in (string[])["[]", "{\"format\":\"\\uD800\"}", "{\"\\uD800\":1}", "{\"format\":\"dnabert2-corpus\",\"version\":1e99}"])
        {
            File.WriteAllText(index, text);
            Try();
        }

        void Try()
        {
            try
            {
                Corpus.Open(_toy["corpus"]).Dispose();
            }
            catch (InvalidDataException e)
            {
                Assert.Contains(_toy["corpus"], e.Message, StringComparison.Ordinal);
            }
        }
    }

    // As a build leaves it when it is killed.
    private static void Mark(string marker) => File.WriteAllText(
        marker, """{"format":"dnabert2-run","version":1,"kind":"corpus","names":["shard-*.bin","tokenizer.json","corpus.json"]}""");

    private static List<string> Windows(Corpus corpus, Split split, int species)
    {
        var windows = new List<string>();
        for (long i = 0; i < corpus.Species[species].Of(split).Windows; i++)
            windows.Add(string.Concat(corpus.Window(split, species, i).ToArray().Select(id => corpus.Tokenizer.Token(id))));
        return windows;
    }

    private static bool SharesRun(int length, BpeTokenizer tokenizer, string heldOut, string training)
    {
        var runs = new SharedRuns(length, tokenizer, heldOut.Length);
        runs.AddHeldOut(Ids(heldOut));
        runs.Compare(Ids(training));
        return runs.IsShared(Ids(heldOut));

        ushort[] Ids(string bases) => [.. tokenizer.Encode(bases, addSpecialTokens: false).Ids.ToArray().Select(id => (ushort)id)];
    }

    private static string OtherStrand(string bases) => string.Concat(bases.Reverse().Select(c => "TGCA"["ACGT".IndexOf(c, StringComparison.Ordinal)]));

    [Theory]
    [InlineData("yeast=a/b.fa.gz", "yeast", "a/b.fa.gz")]
    [InlineData("a/b.fa.gz", "b", "a/b.fa.gz")]
    [InlineData("SARS-CoV-2_MN908947.3.fasta", "SARS-CoV-2_MN908947.3", "SARS-CoV-2_MN908947.3.fasta")]
    [InlineData(".fa", ".fa", ".fa")]
    public void A_source_is_named_by_its_file_unless_given_a_name(string text, string species, string path) =>
        Assert.Equal(new CorpusSource(species, path), CorpusSource.Parse(text));
}
