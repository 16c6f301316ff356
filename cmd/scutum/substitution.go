package main

import (
	"strconv"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
)

// substitutionFacts is a substitution string of an answer file in the output of
// commands.
type substitutionFacts struct {
	Key   string  `json:"key"`
	Line  int     `json:"line"`
	Known bool    `json:"known"`           // every fabric supplies it
	Value *string `json:"value,omitempty"` // nil when there is none
}

// readSubstitutions reads the substitution strings of an answer file, with their
// values, and the file.
func readSubstitutions(path string, values fsk.Values) ([]substitutionFacts, []byte, error) {
	data, err := readFile(path, answerfile.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	found, err := named(answerfile.Substitutions(data))(path)
	if err != nil {
		return nil, nil, err
	}
	facts := []substitutionFacts{}
	for _, s := range found {
		f := substitutionFacts{Key: s.Key, Line: s.Line, Known: fsk.Known(s.Key)}
		if value, ok := values.Get(s.Key); ok {
			f.Value = &value
		}
		facts = append(facts, f)
	}
	return facts, data, nil
}

// fitFacts says what becomes of an answer file with the values of a
// specialization file.
type fitFacts struct {
	AnswerFile    string              `json:"answerFile"`
	Values        string              `json:"fsk"` // the specialization file
	Substitutions []substitutionFacts `json:"substitutions"`
	Fit           bool                `json:"fit"`
	Reason        string              `json:"reason,omitempty"` // why it is not fit
}

func readFit(path string, values fsk.Values) (*fitFacts, error) {
	substitutions, data, err := readSubstitutions(path, values)
	if err != nil {
		return nil, err
	}
	f := &fitFacts{AnswerFile: path, Substitutions: substitutions}
	result, _, err := answerfile.Substitute(data, values)
	clear(data)
	clear(result)
	f.Fit = err == nil
	if err != nil {
		f.Reason = err.Error()
	}
	return f, nil
}

func (f *fitFacts) text(s *cli.Sheet) {
	tableOfSubstitutions(s, f.Substitutions, true)
	if f.Fit {
		s.Line("The values do for this answer file.")
		return
	}
	s.Line("The values do not do: " + f.Reason)
}

// tableOfSubstitutions shows substitution strings, and with values what becomes
// of them.
func tableOfSubstitutions(s *cli.Sheet, all []substitutionFacts, values bool) {
	if len(all) == 0 {
		s.Line("There are no substitution strings in the answer file.")
		return
	}
	rows := [][]string{{"LINE", "SUBSTITUTION STRING", "VALUE"}}
	for _, f := range all {
		value := "the fabric supplies it"
		switch {
		case f.Value != nil:
			value = *f.Value
		case values && f.Known:
			value = "(is missing)"
		case values:
			value = "(none: it stays as it is)"
		case !f.Known:
			value = "as agreed with the fabric, else it stays as it is"
		}
		rows = append(rows, []string{strconv.Itoa(f.Line), f.Key, value})
	}
	s.Table(rows...)
}
